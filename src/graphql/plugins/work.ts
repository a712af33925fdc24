/** Tells which mutations are more than a query: the smart tag `@work` of their function becomes an extension. */
import type {} from "postgraphile";
import { functionOf } from "./mutations.ts";

declare module "graphql" {
  // oxlint-disable-next-line no-unused-vars -- as graphql declares it
  interface GraphQLFieldExtensions<_TSource, _TContext, _TArgs> {
    /** How a statement calls the function that needs the master key. */
    secretCall?: string;
  }
}

/** Hashes or checks a password, which is made to take long. */
export const PASSWORD_WORK = "password";

/** Encrypts or decrypts a secret, for which it needs the master key. */
const SECRET_WORK = "secret";

export const WorkPlugin: GraphileConfig.Plugin = {
  name: "AttuneWorkPlugin",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build, { scope: { isRootMutation } }) {
        const resource = isRootMutation ? functionOf(build, build.graphql.getNamedType(field.type)) : undefined;
        const work = resource?.extensions?.tags?.["work"];
        if (resource === undefined || work === undefined) return field;
        const { schemaName, name } = resource.extensions?.pg ?? {};
        const secretCall = `"${schemaName}"."${name}"(`;
        return { ...field, extensions: { ...field.extensions, work, ...(work === SECRET_WORK && { secretCall }) } };
      },
    },
  },
};
