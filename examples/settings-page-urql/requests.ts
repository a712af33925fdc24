/** The requests of settings-page-urql with their types: `npm run examples` makes it of requests.graphql. */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** What changes of `AppPreferences`: null resets a member. */
export type AppPreferencesPatch = {
  /** How dates, numbers and money read, and what lists show at first. */
  dataPreferences?: DataPreferencesPatch | null | undefined;
  /** Whether the user sees features that are being tried, and diagnostics. */
  featurePreferences?: FeaturePreferencesPatch | null | undefined;
  /** Which integrations are used, and how. Tokens belong in credentials: a value that looks like one is refused. */
  integrationSettings?: IntegrationSettingsPatch | null | undefined;
  /** How the application looks. */
  interfaceSettings?: InterfaceSettingsPatch | null | undefined;
};

/** What changes of `DashboardPreferences`: null drops a member, which resets it unless the value is stored as a whole. */
export type DashboardPreferencesPatch = {
  /** Whether it refreshes by itself. Default: `true`. */
  autoRefresh?: boolean | null | undefined;
  /** Whether widgets stand closer. Default: `false`. */
  compactMode?: boolean | null | undefined;
  /** The view that it opens with. Default: `"enhanced"`. */
  defaultView?: string | null | undefined;
  /** How often it refreshes, in milliseconds. Default: `300000`. */
  refreshInterval?: number | null | undefined;
};

/** What changes of `DashboardSettings`: null resets a member. */
export type DashboardSettingsPatch = {
  /** How the dashboard opens and refreshes. */
  dashboardPreferences?: DashboardPreferencesPatch | null | undefined;
  /** Where the widgets are, how large, and which are collapsed, by widget. */
  widgetLayout?: WidgetLayoutPatch | null | undefined;
  /** Which widgets the dashboard shows. */
  widgetVisibility?: WidgetVisibilityPatch | null | undefined;
};

/** What changes of `DataPreferencesDefaultFilters`: null drops a member, which resets it unless the value is stored as a whole. */
export type DataPreferencesDefaultFiltersPatch = {
  /** Whether lists begin with these filters. Default: `false`. */
  autoApply?: boolean | null | undefined;
  /** Only what is of this quality, 0 to 100. */
  qualityRange?: DataPreferencesDefaultFiltersQualityRangePatch | null | undefined;
  /** Only these states; all when empty. Default: `[]`. */
  status?: Array<string> | null | undefined;
  /** Only these tiers; all when empty. Default: `[]`. */
  tier?: Array<string> | null | undefined;
};

/** What changes of `DataPreferencesDefaultFiltersQualityRange`: null drops a member, which resets it unless the value is stored as a whole. */
export type DataPreferencesDefaultFiltersQualityRangePatch = {
  /** The greatest quality. Default: `100`. */
  max?: number | null | undefined;
  /** The least quality. Default: `0`. */
  min?: number | null | undefined;
};

/** What changes of `DataPreferences`: null drops a member, which resets it unless the value is stored as a whole. */
export type DataPreferencesPatch = {
  /** An ISO 4217 code. Default: `"USD"`. */
  currency?: string | null | undefined;
  /** How dates are written: YYYY-MM-DD. Default: `"YYYY-MM-DD"`. */
  dateFormat?: string | null | undefined;
  /** What lists show at first. */
  defaultFilters?: DataPreferencesDefaultFiltersPatch | null | undefined;
  /** The locale whose digits and separators are used. Default: `"en-US"`. */
  numberFormat?: string | null | undefined;
  /** An IANA name; null is the user's own time zone. Default: `"UTC"`. */
  timezone?: string | null | undefined;
};

/** What changes of `FeaturePreferences`: null drops a member, which resets it unless the value is stored as a whole. */
export type FeaturePreferencesPatch = {
  /** Features that are being tried. Default: `false`. */
  beta?: boolean | null | undefined;
  /** Diagnostics. Default: `false`. */
  debug?: boolean | null | undefined;
};

/** What changes of `IntegrationSettings`: null drops a member, which resets it unless the value is stored as a whole. */
export type IntegrationSettingsPatch = {
  /** Calendly. */
  calendly?: IntegrationSettingsServicePatch | null | undefined;
  /** E-mail. */
  email?: IntegrationSettingsServicePatch | null | undefined;
  /** WhatsApp. */
  whatsapp?: IntegrationSettingsServicePatch | null | undefined;
};

/** What changes of `IntegrationSettingsService`: null drops a member, which resets it unless the value is stored as a whole. */
export type IntegrationSettingsServicePatch = {
  /** Whether it is kept up to date without being asked. */
  autoSync?: boolean | null | undefined;
  /** What it begins with, by name. */
  defaults?: unknown;
  /** Whether it is used. */
  enabled?: boolean | null | undefined;
};

/** What changes of `InterfaceSettings`: null drops a member, which resets it unless the value is stored as a whole. */
export type InterfaceSettingsPatch = {
  /** Whether things move when they change. Default: `true`. */
  enableAnimations?: boolean | null | undefined;
  /** A BCP 47 language tag. Default: `"en"`. */
  language?: string | null | undefined;
  /** How many rows a page of a table has. Default: `25`. */
  rowsPerPage?: number | null | undefined;
  /** Whether lines run from right to left. Default: `false`. */
  rtl?: boolean | null | undefined;
  /** Whether the sidebar shows icons only. Default: `false`. */
  sidebarCollapsed?: boolean | null | undefined;
  /** How close the rows of tables are. Default: `"standard"`. */
  tableDensity?: InterfaceSettingsTableDensity | null | undefined;
  /** The colours. Default: `"system"`. */
  theme?: InterfaceSettingsTheme | null | undefined;
};

/** How close the rows of tables are. Default: `"standard"`. */
export type InterfaceSettingsTableDensity =
  /** With room around each row. */
  | 'comfortable'
  /** The most rows on a screen. */
  | 'compact'
  /** As tables usually are. */
  | 'standard';

/** The colours. Default: `"system"`. */
export type InterfaceSettingsTheme =
  /** Light on dark. */
  | 'dark'
  /** Dark on light. */
  | 'light'
  /** As the system has it. */
  | 'system';

/** Which notification is sent first, when several are due. */
export type NotificationPriority =
  /** After what is urgent. */
  | 'high'
  /** After all others. */
  | 'low'
  /** After what is high or urgent. */
  | 'normal'
  /** Before all others. */
  | 'urgent';

/** Where a value is stored, from broad to narrow. */
export type SettingLayer =
  /** The definition's default. */
  | 'default'
  /** For everybody, or for a part in a rollout. */
  | 'global'
  /** For the users of a plan. */
  | 'plan'
  /** For one user in one project. */
  | 'project'
  /** For a user's current team. */
  | 'team'
  /** For one user. */
  | 'user';

/** What changes of `WidgetLayout`: null drops a member, which resets it unless the value is stored as a whole. */
export type WidgetLayoutPatch = {
  /** Which widgets are collapsed, true by widget. */
  collapsed?: unknown;
  /** Where each widget is, {x, y} by widget. */
  positions?: unknown;
  /** How large each widget is, {width, height} by widget. */
  sizes?: unknown;
};

/** What changes of `WidgetVisibility`: null drops a member, which resets it unless the value is stored as a whole. */
export type WidgetVisibilityPatch = {
  /** What the figures say. Default: `true`. */
  insights?: boolean | null | undefined;
  /** Leads and conversions. Default: `true`. */
  leadsConversions?: boolean | null | undefined;
  /** The figures on top. Default: `true`. */
  metrics?: boolean | null | undefined;
  /** Performance by month. Default: `true`. */
  monthlyPerformance?: boolean | null | undefined;
  /** Targets, and how near they are. Default: `true`. */
  performanceTargets?: boolean | null | undefined;
  /** Pie charts. Default: `true`. */
  pieCharts?: boolean | null | undefined;
  /** What happened lately. Default: `true`. */
  recentActivity?: boolean | null | undefined;
  /** Revenue by channel. Default: `true`. */
  revenueChannel?: boolean | null | undefined;
};

export type SettingsPageQueryVariables = Exact<{
  project: string;
}>;


export type SettingsPageQuery = { viewer: { id: string, name: string | null, timezone: string } | null, appPreferences: { id: string, interfaceSettings: { theme: InterfaceSettingsTheme, language: string, rowsPerPage: number } | null, dataPreferences: { currency: string, timezone: string | null, defaultFilters: { tier: Array<string>, qualityRange: { min: number, max: number } } } | null } | null, everywhere: { id: string, projectId: string | null, widgetVisibility: { metrics: boolean, insights: boolean, pieCharts: boolean } | null, dashboardPreferences: { compactMode: boolean, refreshInterval: number } | null } | null, here: { id: string, projectId: string | null, widgetVisibility: { metrics: boolean, insights: boolean, pieCharts: boolean } | null, dashboardPreferences: { compactMode: boolean, refreshInterval: number } | null } | null, toggles: Array<{ id: string, key: string, value: unknown, layer: SettingLayer, isEnforced: boolean, canEdit: boolean }> | null, togglesHere: Array<{ id: string, key: string, value: unknown, layer: SettingLayer, isEnforced: boolean, canEdit: boolean }> | null, notificationCounts: { id: string, unread: number } | null, notifications: { totalCount: number, nodes: Array<{ id: string, title: string, priority: NotificationPriority, readAt: string | null }> } | null };

export type ChangeAppearanceMutationVariables = Exact<{
  patch: AppPreferencesPatch;
}>;


export type ChangeAppearanceMutation = { updateAppPreferences: { appPreferences: { id: string, interfaceSettings: { theme: InterfaceSettingsTheme, language: string, rowsPerPage: number } | null, dataPreferences: { currency: string, timezone: string | null, defaultFilters: { tier: Array<string>, qualityRange: { min: number, max: number } } } | null } } | null };

export type ChooseEverywhereMutationVariables = Exact<{
  key: string;
  value: unknown;
  project: string;
}>;


export type ChooseEverywhereMutation = { setPreference: { effectiveSetting: { id: string, key: string, value: unknown, layer: SettingLayer, isEnforced: boolean, canEdit: boolean }, query: { effectiveSetting: { id: string, key: string, value: unknown, layer: SettingLayer, isEnforced: boolean, canEdit: boolean } | null } } | null };

export type ChooseHereMutationVariables = Exact<{
  key: string;
  value: unknown;
  project: string;
}>;


export type ChooseHereMutation = { setPreference: { effectiveSetting: { id: string, key: string, value: unknown, layer: SettingLayer, isEnforced: boolean, canEdit: boolean } } | null };

export type ArrangeHereMutationVariables = Exact<{
  patch: DashboardSettingsPatch;
  project: string;
}>;


export type ArrangeHereMutation = { updateDashboardSettings: { dashboardSettings: { id: string, projectId: string | null, widgetVisibility: { metrics: boolean, insights: boolean, pieCharts: boolean } | null, dashboardPreferences: { compactMode: boolean, refreshInterval: number } | null } } | null };

export type MarkAllReadMutationVariables = Exact<{ [key: string]: never; }>;


export type MarkAllReadMutation = { markAllNotificationsRead: { notifications: Array<{ id: string, readAt: string | null }>, notificationCounts: { id: string, unread: number } } | null };

export type AppearanceFragment = { id: string, interfaceSettings: { theme: InterfaceSettingsTheme, language: string, rowsPerPage: number } | null, dataPreferences: { currency: string, timezone: string | null, defaultFilters: { tier: Array<string>, qualityRange: { min: number, max: number } } } | null };

export type DashboardFragment = { id: string, projectId: string | null, widgetVisibility: { metrics: boolean, insights: boolean, pieCharts: boolean } | null, dashboardPreferences: { compactMode: boolean, refreshInterval: number } | null };

export type ChoiceFragment = { id: string, key: string, value: unknown, layer: SettingLayer, isEnforced: boolean, canEdit: boolean };

export const AppearanceFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Appearance"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"AppPreferences"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"interfaceSettings"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"theme"}},{"kind":"Field","name":{"kind":"Name","value":"language"}},{"kind":"Field","name":{"kind":"Name","value":"rowsPerPage"}}]}},{"kind":"Field","name":{"kind":"Name","value":"dataPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"currency"}},{"kind":"Field","name":{"kind":"Name","value":"timezone"}},{"kind":"Field","name":{"kind":"Name","value":"defaultFilters"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"tier"}},{"kind":"Field","name":{"kind":"Name","value":"qualityRange"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"min"}},{"kind":"Field","name":{"kind":"Name","value":"max"}}]}}]}}]}}]}}]} as unknown as DocumentNode<AppearanceFragment, unknown>;
export const DashboardFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Dashboard"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DashboardSettings"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"projectId"}},{"kind":"Field","name":{"kind":"Name","value":"widgetVisibility"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"metrics"}},{"kind":"Field","name":{"kind":"Name","value":"insights"}},{"kind":"Field","name":{"kind":"Name","value":"pieCharts"}}]}},{"kind":"Field","name":{"kind":"Name","value":"dashboardPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"compactMode"}},{"kind":"Field","name":{"kind":"Name","value":"refreshInterval"}}]}}]}}]} as unknown as DocumentNode<DashboardFragment, unknown>;
export const ChoiceFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Choice"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"EffectiveSetting"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"value"}},{"kind":"Field","name":{"kind":"Name","value":"layer"}},{"kind":"Field","name":{"kind":"Name","value":"isEnforced"}},{"kind":"Field","name":{"kind":"Name","value":"canEdit"}}]}}]} as unknown as DocumentNode<ChoiceFragment, unknown>;
export const SettingsPageDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"SettingsPage"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"project"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UUID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"timezone"}}]}},{"kind":"Field","name":{"kind":"Name","value":"appPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Appearance"}}]}},{"kind":"Field","alias":{"kind":"Name","value":"everywhere"},"name":{"kind":"Name","value":"dashboardSettings"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Dashboard"}}]}},{"kind":"Field","alias":{"kind":"Name","value":"here"},"name":{"kind":"Name","value":"dashboardSettings"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"projectId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"project"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Dashboard"}}]}},{"kind":"Field","alias":{"kind":"Name","value":"toggles"},"name":{"kind":"Name","value":"effectiveSettings"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"category"},"value":{"kind":"StringValue","value":"features","block":false}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Choice"}}]}},{"kind":"Field","alias":{"kind":"Name","value":"togglesHere"},"name":{"kind":"Name","value":"effectiveSettings"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"category"},"value":{"kind":"StringValue","value":"features","block":false}},{"kind":"Argument","name":{"kind":"Name","value":"projectId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"project"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Choice"}}]}},{"kind":"Field","name":{"kind":"Name","value":"notificationCounts"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"unread"}}]}},{"kind":"Field","name":{"kind":"Name","value":"notifications"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"archivedAt"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"isNull"},"value":{"kind":"BooleanValue","value":true}}]}}]}},{"kind":"Argument","name":{"kind":"Name","value":"orderBy"},"value":{"kind":"ListValue","values":[{"kind":"EnumValue","value":"CREATED_AT_DESC"}]}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"IntValue","value":"10"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"priority"}},{"kind":"Field","name":{"kind":"Name","value":"readAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"totalCount"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Appearance"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"AppPreferences"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"interfaceSettings"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"theme"}},{"kind":"Field","name":{"kind":"Name","value":"language"}},{"kind":"Field","name":{"kind":"Name","value":"rowsPerPage"}}]}},{"kind":"Field","name":{"kind":"Name","value":"dataPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"currency"}},{"kind":"Field","name":{"kind":"Name","value":"timezone"}},{"kind":"Field","name":{"kind":"Name","value":"defaultFilters"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"tier"}},{"kind":"Field","name":{"kind":"Name","value":"qualityRange"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"min"}},{"kind":"Field","name":{"kind":"Name","value":"max"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Dashboard"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DashboardSettings"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"projectId"}},{"kind":"Field","name":{"kind":"Name","value":"widgetVisibility"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"metrics"}},{"kind":"Field","name":{"kind":"Name","value":"insights"}},{"kind":"Field","name":{"kind":"Name","value":"pieCharts"}}]}},{"kind":"Field","name":{"kind":"Name","value":"dashboardPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"compactMode"}},{"kind":"Field","name":{"kind":"Name","value":"refreshInterval"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Choice"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"EffectiveSetting"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"value"}},{"kind":"Field","name":{"kind":"Name","value":"layer"}},{"kind":"Field","name":{"kind":"Name","value":"isEnforced"}},{"kind":"Field","name":{"kind":"Name","value":"canEdit"}}]}}]} as unknown as DocumentNode<SettingsPageQuery, SettingsPageQueryVariables>;
export const ChangeAppearanceDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"ChangeAppearance"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"patch"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"AppPreferencesPatch"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"updateAppPreferences"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"patch"},"value":{"kind":"Variable","name":{"kind":"Name","value":"patch"}}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"appPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Appearance"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Appearance"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"AppPreferences"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"interfaceSettings"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"theme"}},{"kind":"Field","name":{"kind":"Name","value":"language"}},{"kind":"Field","name":{"kind":"Name","value":"rowsPerPage"}}]}},{"kind":"Field","name":{"kind":"Name","value":"dataPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"currency"}},{"kind":"Field","name":{"kind":"Name","value":"timezone"}},{"kind":"Field","name":{"kind":"Name","value":"defaultFilters"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"tier"}},{"kind":"Field","name":{"kind":"Name","value":"qualityRange"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"min"}},{"kind":"Field","name":{"kind":"Name","value":"max"}}]}}]}}]}}]}}]} as unknown as DocumentNode<ChangeAppearanceMutation, ChangeAppearanceMutationVariables>;
export const ChooseEverywhereDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"ChooseEverywhere"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"key"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"value"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"JSON"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"project"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UUID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"setPreference"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"key"},"value":{"kind":"Variable","name":{"kind":"Name","value":"key"}}},{"kind":"ObjectField","name":{"kind":"Name","value":"value"},"value":{"kind":"Variable","name":{"kind":"Name","value":"value"}}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"effectiveSetting"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Choice"}}]}},{"kind":"Field","name":{"kind":"Name","value":"query"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"effectiveSetting"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"key"},"value":{"kind":"Variable","name":{"kind":"Name","value":"key"}}},{"kind":"Argument","name":{"kind":"Name","value":"projectId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"project"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Choice"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Choice"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"EffectiveSetting"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"value"}},{"kind":"Field","name":{"kind":"Name","value":"layer"}},{"kind":"Field","name":{"kind":"Name","value":"isEnforced"}},{"kind":"Field","name":{"kind":"Name","value":"canEdit"}}]}}]} as unknown as DocumentNode<ChooseEverywhereMutation, ChooseEverywhereMutationVariables>;
export const ChooseHereDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"ChooseHere"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"key"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"value"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"JSON"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"project"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UUID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"setPreference"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"key"},"value":{"kind":"Variable","name":{"kind":"Name","value":"key"}}},{"kind":"ObjectField","name":{"kind":"Name","value":"value"},"value":{"kind":"Variable","name":{"kind":"Name","value":"value"}}},{"kind":"ObjectField","name":{"kind":"Name","value":"projectId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"project"}}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"effectiveSetting"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Choice"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Choice"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"EffectiveSetting"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"value"}},{"kind":"Field","name":{"kind":"Name","value":"layer"}},{"kind":"Field","name":{"kind":"Name","value":"isEnforced"}},{"kind":"Field","name":{"kind":"Name","value":"canEdit"}}]}}]} as unknown as DocumentNode<ChooseHereMutation, ChooseHereMutationVariables>;
export const ArrangeHereDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"ArrangeHere"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"patch"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"DashboardSettingsPatch"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"project"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UUID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"updateDashboardSettings"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"patch"},"value":{"kind":"Variable","name":{"kind":"Name","value":"patch"}}},{"kind":"ObjectField","name":{"kind":"Name","value":"projectId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"project"}}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dashboardSettings"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Dashboard"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Dashboard"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DashboardSettings"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"projectId"}},{"kind":"Field","name":{"kind":"Name","value":"widgetVisibility"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"metrics"}},{"kind":"Field","name":{"kind":"Name","value":"insights"}},{"kind":"Field","name":{"kind":"Name","value":"pieCharts"}}]}},{"kind":"Field","name":{"kind":"Name","value":"dashboardPreferences"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"compactMode"}},{"kind":"Field","name":{"kind":"Name","value":"refreshInterval"}}]}}]}}]} as unknown as DocumentNode<ArrangeHereMutation, ArrangeHereMutationVariables>;
export const MarkAllReadDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"MarkAllRead"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"markAllNotificationsRead"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"ObjectValue","fields":[]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"notifications"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"readAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"notificationCounts"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"unread"}}]}}]}}]}}]} as unknown as DocumentNode<MarkAllReadMutation, MarkAllReadMutationVariables>;