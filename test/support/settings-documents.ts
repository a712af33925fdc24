/**
 * Settings in which there is no secret, after public ones: members as they are called there, values written for the test,
 * each with what was taken for a secret once, or easily could be.
 */

/** By what it is written after, with the licence of that. */
export const SETTINGS_DOCUMENTS: Record<string, object> = {
  "Mattermost, config/default.json (MIT)": {
    PasswordSettings: { MinimumLength: 5, Lowercase: false },
    ServiceSettings: { EnableUserAccessTokens: false, TLSKeyFile: "", GoogleDeveloperKey: "" },
    GitLabSettings: { Secret: "", TokenEndpoint: "", AuthEndpoint: "https://git.example.com/oauth/authorize" },
    SamlSettings: { PrivateKeyFile: "saml/private.key", PublicCertificateFile: "saml/public.crt" },
    ElasticsearchSettings: { Username: "elastic", Password: "changeme" },
    EmailSettings: { SMTPPassword: "", InviteSalt: "", PushNotificationContents: "generic" },
  },
  "GitLab, doc/api/settings.md (MIT)": {
    password_authentication_enabled_for_web: true,
    container_registry_token_expire_delay: 5,
    rsa_key_restriction: "0",
    default_branch_name: "main",
    personal_access_token_prefix: "app-",
    disable_personal_access_tokens: "no",
    require_admin_two_factor_secret: "never",
  },
  "VS Code, settings.json of users (MIT)": {
    "editor.tokenColorCustomizations": {
      textMateRules: [{ scope: "entity.name", settings: { foreground: "#F14C4C" } }],
    },
    "editor.semanticTokenColorCustomizations": { rules: { "variable.readonly": "#4FC1FF" } },
    "workbench.colorCustomizations": { "editorBracketHighlight.foreground1": "#d19a66" },
    "sync.gist": "8a039d5312b9a0affd52dce6de77c1d8",
    "telemetry.machineId": "8e8f8d14f871b2f417f5a50ea9f296b2e5eb1ffd716306f31398c42391b0696b",
    "terminal.integrated.env.linux": { GITHUB_TOKEN: "${env:GITHUB_TOKEN}" },
    "python.envFile": "${workspaceFolder}/.env",
    "keyboard.dispatch": "keyCode",
    "vim.leader": "<space>",
    "git.path": "C:\\Program Files\\Git\\cmd\\git.exe",
    "github.gitAuthentication": true,
  },
  "VS Code, keybindings.json (MIT)": {
    keyboardShortcuts: [
      { key: "ctrl+shift+k ctrl+alt+p", command: "workbench.action.showAllSymbols2", when: "editorTextFocus" },
      { key: "cmd+k", command: "extension.toggleWindowRule12" },
    ],
  },
  "Home Assistant, configuration.yaml of users (MIT)": {
    http: { server_port: 8123, ssl_key: "/ssl/privkey.pem", password: "!secret http_password" },
    mqtt: { broker: "core-mosquitto", username: "hass", password: "!secret mqtt" },
    logger: { default: "warning", logs: { "homeassistant.components.auth": "debug" } },
    automation: [{ id: "1588249383829", alias: "Lights on", trigger: [{ entity_id: "binary_sensor.door_2_contact" }] }],
  },
  "Unleash, client-specification (Apache-2.0)": {
    version: 2,
    features: [
      {
        name: "Feature.A4.gradual.rollout",
        enabled: true,
        strategies: [
          { name: "userWithId", parameters: { userIds: "6f1d2b34-5a6b-4c7d-8e9f-0a1b2c3d4e5f,123e4567-e89b-12d3" } },
          { name: "flexibleRollout", parameters: { stickiness: "sessionId", groupId: "Feature.flexible.rollout.100" } },
        ],
      },
    ],
  },
  "flagd, samples (Apache-2.0)": {
    flags: {
      "auth-token-in-header": { state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "on" },
      headerColor: {
        variants: { red: "#FF0000", blue: "#0000FF" },
        targeting: { if: [{ ends_with: [{ var: "email" }, "@faas.com"] }] },
      },
      "new-password-form": { state: "ENABLED", variants: { key1: "val1", key2: "val2" }, defaultVariant: "key1" },
    },
  },
  "LaunchDarkly, flag files of the relay (Apache-2.0)": {
    flags: { "require-api-key": { key: "require-api-key", salt: "c3f7d2a04b1e4a6f8d9c0b7e5a3f2d1c", version: 4 } },
    segments: { beta: { key: "beta", included: ["user-8a1f2b3c4d5e6f708192a3b4c5d6e7f8"] } },
  },
  "Grafana, conf/defaults.ini (names only)": {
    security: { secret_key: "${GF_SECRET_KEY}", disable_initial_admin_creation: false, cookie_samesite: "lax" },
    auth: { oauth_auto_login: false, token_rotation_interval_minutes: 10, login_cookie_name: "grafana_session" },
    "auth.basic": { enabled: true, password_policy: "none" },
    smtp: { password: "", cert_file: "/etc/grafana/smtp.crt", key_file: "/etc/grafana/smtp.key" },
  },
  "Discourse, config/site_settings.yml (names only)": {
    min_password_length: "10",
    s3_access_key_id: "",
    s3_secret_access_key: "",
    enable_sso_provider: "no",
    pwa_manifest_icon: "https://cdn.example.com/uploads/8a039d5312b9a0affd52dce6de77c1d84e3f2a1b.png",
    tos_url: "https://example.com/terms?lang=en&token_type=none",
    password_unique_characters: "6",
    invite_code: "spring",
  },
  "Nextcloud, config.sample.php (names only)": {
    instanceid: "oc1d2e3f4g5h",
    dbpassword: "getenv('DB_PASSWORD')  # password from the environment",
    token_auth_enforced: "false",
    passwordsalt: "",
    hashingThreads: "default",
    "auth.webauthn.enabled": "yes",
  },
  "Directus, system fields (names only)": {
    fields: [
      {
        field: "password",
        interface: "input-hash",
        options: { iconRight: "lock", masked: "true" },
        special: "hash,conceal",
      },
      { field: "token", interface: "system-token", options: { placeholder: "Enter a token" } },
      { field: "public_registration_role", display: "related-values" },
    ],
    translations: { password: "Password", token: "API token", secret: "Client secret:", apiKey: "Your API key" },
  },
  "Helm, values.yaml of charts (Apache-2.0)": {
    allowEmptyPassword: "yes",
    existingSecret: "app-cluster1-redis-password",
    existingSecretKey: "sapassword",
    passwordSecretKey: "mysql-password",
    tlsSecret: "blog.local-tls",
    ingress: { secretName: "blog-tls-secret", hosts: ["blog.example.com"] },
    image: { tag: "6f82e2b0464f50da8104acd7363fb9b995001ddff77d248379f8788e78946143" },
    datadog: { apiKey: "<DATADOG_API_KEY>", appKeyExistingSecret: "datadog-secret" },
    pagerduty: { apiKey: "00000000000000000000000000000000" },
    slack: { token: "XXXX", password: "CHANGE_ME", secretKey: "REPLACE-ME" },
    license: { license_secret: "you-must-create-a-license-secret" },
    stellar: { publicKey: "GA7MREQ7673YDVANF4WBPN7LBQM4BSH4BQUFUTC4YLSSQCQUQTXRVBZN" },
  },
  "SchemaStore, package.json (Apache-2.0)": {
    _shasum: "616e40c7db2373a036dac939e28a9a225764eb21",
    dependencies: {
      "js-tokens": "^4.0.0",
      "eslint-visitor-keys": "sha512-UyLnSehNt62FFhSwjZlHmeokpRK59rcz29jF1aDgbkbRTk7wIc9",
    },
    config: { "npm-cache-filename": "npm_build_info_publish_resource" },
    publishConfig: { registry: "https://registry.example.com/~scope/8a039d5312b9a0af" },
  },
  "SchemaStore, workflows (Apache-2.0)": {
    permissions: { "id-token": "write", contents: "read" },
    jobs: { publish: { env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}", CI_JOB_TOKEN: "$CI_JOB_TOKEN" } } },
    secrets: "inherit",
    env: [
      { name: "API_TOKEN", value: "${{ vars.API_TOKEN }}" },
      { name: "HASH", value: "8a039d5312b9a0affd52dce6de77c1d8" },
    ],
  },
  "SchemaStore, app-config and appsettings (Apache-2.0)": {
    auth: { oidc: { clientSecret: "${AUTH_OIDC_CLIENT_SECRET}", clientId: "7f1c9a0d7e2b4c5d" } },
    ElmahIo: { ApiKey: "#{variable}", LogId: "0fd0cf5b22d54e35b2918dd661163ae6" },
    ConnectionStrings: { Default: "Server=(localdb)\\mssqllocaldb;Database=app;Trusted_Connection=True" },
    Documents: { Db: "postgres://user:password@localhost/app", Other: "mongodb://${USER}:${PASSWORD}@db/app" },
    resources: { pg: { env: { POSTGRES_PASSWORD: "{pg-password.value}" } } },
  },
  "SchemaStore, sarif, lock and manifest files (Apache-2.0)": {
    files: [
      { hashes: { sha256: "iMjfAcByXr1It7XMfqlqbhELAJXUp7I18T5lifsN0Q=", md5: "24360C89F7487992B7BC1D8B9AAF52B6" } },
    ],
    index: { hash: "7b81c9e9d9e6e21a9865a2dded0dfd77e7683d679b98fe5b0114eaed9a31f17e" },
    names: ["administrativeAreaLevel1", "WinUIDesktopWin32WindowClass", "Req-1a8016e2872e78ecadc50feddc00029b"],
    maxWidth: "1.7976931348623157E308",
    packages: { lodash: ["lodash@4.17.21", "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ"] },
  },
  "settings of language models": {
    maxTokens: "4096",
    tokenLimit: "8k tokens",
    max_completion_tokens: "default",
    stopTokens: ["<|end|>", "###"],
    model: "claude-sonnet-4-20250514",
    fine_tuned: "ft:gpt-4o-mini-2024-07-18:acme::9abcDEF0",
    apiKeyHint: "ends with 4f1c",
    apiKeySource: "team",
    embedding: { dimensions: "1536", tokenizer: "cl100k_base" },
  },
  "settings of a page": {
    passwordPolicy: { minLength: "12", requireSymbols: "yes" },
    showPassword: "always",
    forgotPassword: "https://example.com/forgot",
    resetPasswordText: "Send me a link",
    keyboardShortcuts: { save: "ctrl+s", search: "ctrl+shift+f" },
    theme: "Basic theme",
    plan: "Basic authentication plan",
    header: "Bearer of bad news",
    secretSanta: "on",
    links: [
      "https://sl.wikipedia.org/wiki/Ljubljana",
      "https://maps.example.com/?key=map&q=Berlin",
      "mailto:ada@example.com",
    ],
    calendar: "https://calendar.example.com/calendar/embed?src=team%40example.com&ctz=Europe%2FBerlin",
    dsn: "https://8a039d5312b9a0affd52dce6de77c1d8@errors.example.com/42",
    publishableKey: ["pk", "live", "51H8xYzAbCdEfGhIjKlMnOp"].join("_"),
    author: "Ada Lovelace",
    authority: "city",
    tokenizer: "words",
    monkey: "see",
    ids: ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "550e8400-e29b-41d4-a716-446655440000", "kAftjoSoCIRZlnMTpkR3"],
  },
};
