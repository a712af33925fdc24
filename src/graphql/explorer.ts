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

type Explorer = NonNullable<GraphileConfig.Preset["ruru"]>;

export const EXPLORER: Explorer = {
  // Its type asks for every option, although each has a default.
  clientConfig: { defaultQuery: FIRST_QUERY } as NonNullable<Explorer["clientConfig"]>,
  htmlParts: { titleTag: "<title>Attune</title>" },
};
