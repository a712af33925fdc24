/** The signals that ask a process to end. */
export const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Within so many milliseconds a second signal is the first one again: npm and systemd both pass it on. */
export const SAME_SIGNAL = 500;
