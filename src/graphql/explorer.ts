/** The explorer at `/`: its name, what it shows before anybody has typed, and what it may keep in the browser. */
import type {} from "postgraphile/grafserv";
import { keepNoToken } from "./explorer-storage.ts";

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

/** The name in the corner can't be configured. */
const NAME_STYLE = `<style>
.graphiql-logo > * { display: none }
.graphiql-logo::before { content: "Attune" }
</style>`;

export const EXPLORER: Explorer = {
  // Its type asks for every option, although each has a default.
  clientConfig: { defaultQuery: FIRST_QUERY } as NonNullable<Explorer["clientConfig"]>,
  htmlParts: {
    titleTag: "<title>Attune</title>",
    styleTags: (ruru) => `${ruru}\n${NAME_STYLE}`,
    configScript: (ruru) => `${ruru}\n<script>(${keepNoToken.toString()})(RURU_CONFIG, localStorage);</script>`,
    bodyContent: (ruru) => ruru.replace("Ruru is loading", "The explorer is loading"),
  },
};
