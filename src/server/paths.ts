/** Addresses that more than one module knows. */

export const GRAPHQL_PATH = "/graphql";
