/** What the explorer may keep in the browser. Runs there, as text in its page, before the explorer does. */

export type BrowserStorage = {
  getItem: (key: string) => string | null;
  setItem: (key: string, value: string) => void;
};

/**
 * Has headers kept over a reload only where the user switched "Persist headers" on, which GraphiQL itself forgets, and
 * takes them out of the history, into which it writes those of every query.
 * @param config becomes GraphiQL's properties
 * @param storage the page's `localStorage`
 */
export function keepNoToken(config: { shouldPersistHeaders?: boolean }, storage: BrowserStorage): void {
  const histories = ["graphiql:queries", "graphiql:favorites"];
  const withoutHeaders = (history: string): string =>
    JSON.stringify(JSON.parse(history, (name: string, value: unknown) => (name === "headers" ? undefined : value)));

  config.shouldPersistHeaders = storage.getItem("graphiql:shouldPersistHeaders") === "true";
  // A property that is set on the storage itself would be an item of it.
  const methods = Object.getPrototypeOf(storage) as BrowserStorage;
  const { setItem } = methods;
  methods.setItem = function (this: BrowserStorage, key, value) {
    setItem.call(this, key, histories.includes(key) ? withoutHeaders(value) : value);
  };
  // What was written before this page was ours.
  for (const key of histories) {
    const history = storage.getItem(key);
    if (history !== null) storage.setItem(key, history);
  }
}
