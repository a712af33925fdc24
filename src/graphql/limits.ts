/** What one request may ask for, in numbers. */

export const LIMITS = {
  /** Bytes of a request's body. */
  body: 256 * 1024,
  /** Words and signs of a query. GraphiQL's introspection has 184. */
  tokens: 1000,
  /** Levels of a query, those of introspection aside. */
  depth: 10,
  /** Fields of `Query` and `Mutation`, wherever they stand: each is a transaction of its own. */
  rootFields: 20,
  /**
   * A field costs 1, and all that is inside a collection counts for each row it may give. The page of an administrator
   * who sees a hundred settings with every layer costs 26,000, and takes a third of a second.
   */
  cost: 30_000,
  /** Members and items of one `filter`, its `and`, `or` and `not` among them. */
  filterParts: 100,
  /** Characters of a text in a `filter`. */
  filterText: 300,
  /** Fields of introspection, those of a fragment each time it is spread. The whole query of graphql-js has 230. */
  introspection: 500,
};

/** Rows of a page when the client does not say, and at most. */
export const PAGE = { usual: 50, most: 100 };
