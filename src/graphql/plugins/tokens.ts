/** Where only others sign tokens, who asks for one of ours is refused before anything is done. */
import type {} from "postgraphile";
import type { PgCodec } from "postgraphile/@dataplan/pg";
import { constant, sideEffect } from "postgraphile/grafast";
import { RequestError } from "../../server/request-error.ts";
import { functionOf, isComposite } from "./mutations.ts";

const givesToken = (codec: PgCodec): boolean =>
  Object.values(codec.attributes ?? {}).some((attribute) => isComposite(attribute.codec, "access_token"));

export const NoTokensPlugin: GraphileConfig.Plugin = {
  name: "AttuneNoTokensPlugin",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build, { scope: { isRootMutation } }) {
        const { plan } = field;
        const resource = isRootMutation ? functionOf(build, build.graphql.getNamedType(field.type)) : undefined;
        if (resource === undefined || plan === undefined || !givesToken(resource.codec)) return field;
        return {
          ...field,
          plan($root, args, info) {
            sideEffect(constant(null), refuse);
            return plan($root, args, info);
          },
        };
      },
    },
  },
};

function refuse(): never {
  throw new RequestError(
    403,
    "sign_in_elsewhere",
    "This server signs nobody in",
    "Sign in at the identity provider, and send its token.",
    { code: "42501" },
  );
}
