/** Tells which mutations are more than a query: the smart tag `@work` of their function becomes an extension. */
import type {} from "postgraphile";
import { functionOf } from "./mutations.ts";

/** Hashes or checks a password, which is made to take long. */
export const PASSWORD_WORK = "password";

export const WorkPlugin: GraphileConfig.Plugin = {
  name: "AttuneWorkPlugin",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build, { scope: { isRootMutation } }) {
        const resource = isRootMutation ? functionOf(build, build.graphql.getNamedType(field.type)) : undefined;
        const work = resource?.extensions?.tags?.["work"];
        return work === undefined ? field : { ...field, extensions: { ...field.extensions, work } };
      },
    },
  },
};
