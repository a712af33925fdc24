/** How long connections for changes are waited for, in milliseconds. */

export type LiveTimes = {
  /** A WebSocket that is open may take so long to say who it is. */
  init: number;
  /** So often a client is asked whether it is there; one that does not answer until the next time is cut off. */
  beat: number;
};

export const LIVE_TIMES: LiveTimes = { init: 3000, beat: 15_000 };
