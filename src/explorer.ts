/** What GraphiQL shows before anybody has typed. */
import type {} from "postgraphile/grafserv";

const FIRST_QUERY = `# Put a token under Headers, below: {"authorization": "Bearer …"}
# \`npx attune token --email you@example.com\` prints one.

query Settings {
  viewer {
    email
  }
  effectiveSettings(category: "features") {
    key
    value
    layer
    canEdit
  }
}

mutation DarkMode {
  setPreference(input: { key: "DARK_MODE_ENABLED", value: true }) {
    effectiveSetting {
      key
      value
      layer
    }
  }
}
`;

export const EXPLORER: NonNullable<GraphileConfig.Preset["ruru"]> = {
  clientConfig: { defaultQuery: FIRST_QUERY },
  htmlParts: { titleTag: "<title>Attune</title>" },
};
