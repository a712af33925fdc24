/** Names as a client would choose them: `id` stays `id`, a collection is a plural, a result is named after its type. */
import type {} from "postgraphile";

export const NamesPlugin: GraphileConfig.Plugin = {
  name: "AttuneNamesPlugin",
  after: ["PgSimplifyInflectionPlugin"],
  inflection: {
    replace: {
      // There is no `nodeId` to keep apart from.
      _attributeName(previous, _options, details) {
        return previous?.({ ...details, skipRowId: true }) ?? details.attributeName;
      },
      // The rows of a table are singular; a composite type was named as it is.
      _singularizedCodecName(previous, _options, codec) {
        return (codec.extensions?.isTableLike === false ? undefined : previous?.(codec)) ?? codec.name;
      },
      // A resource is a list or a connection, never both, so neither needs a suffix.
      connectionField(_previous, _options, baseName) {
        return baseName;
      },
      listField(_previous, _options, baseName) {
        return baseName;
      },
      functionMutationResultFieldName(previous, _options, details) {
        const { resource, returnGraphQLTypeName } = details;
        const tag = resource.extensions?.tags?.resultFieldName;
        if (typeof tag === "string" || !resource.codec.attributes) return previous?.(details) ?? "result";
        const name = this.camelCase(returnGraphQLTypeName);
        return resource.isUnique ? name : this.pluralize(name);
      },
    },
  },
};
