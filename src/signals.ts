/** The signals that ask a process to end. */
export const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
