/** Tells Grafast that this is production, unless the environment says otherwise. Imported before Grafast is. */
process.env["GRAPHILE_ENV"] ??= "production";
