/** A relation whose columns say no name is called after the table it leads to: no `projectPreferencesByUserIdAndProjectId`. */
import type {} from "postgraphile";
import type {} from "@graphile/simplify-inflection";

export const RelationNamesPreset: GraphileConfig.Preset = {
  plugins: [
    {
      name: "AttuneRelationNamesPlugin",
      inflection: {
        replace: {
          _singleRelationRaw(_previous, _options, { registry, codec, relationName }) {
            const relation = registry.pgRelations[codec.name]?.[relationName];
            return relation === undefined ? relationName : this.tableType(relation.remoteResource.codec);
          },
          _manyRelationRaw(_previous, _options, { registry, codec, relationName }) {
            const relation = registry.pgRelations[codec.name]?.[relationName];
            return relation === undefined
              ? relationName
              : this.pluralize(this.tableType(relation.remoteResource.codec));
          },
        },
      },
    },
  ],
  // It would be `userProject`, of `user_id` and `project_id`.
  schema: { pgSimplifyMultikeyRelations: false },
};
