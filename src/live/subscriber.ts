/** What one subscription has to tell: changes come together until they are taken, so that a slow client costs no memory. */

/** Names that are told one by one; more than these, and the client is told to fetch all. */
export const MOST_NAMES = 1000;

export type LiveEvent = {
  /** Where to go on from, after this. */
  cursor: string;
  /** Not all that changed is told: what the client has must be fetched anew. */
  mustRefetch: boolean;
  /** Keys or ids of what changed, in the order in which they changed last. */
  names: string[];
};

export type Subscriber = {
  /** Adds what changed. */
  tell: (event: Omit<LiveEvent, "names"> & { names: readonly string[] }) => void;
  /** Takes all that there is to tell, when there is something; undefined when it has ended. One may wait at a time. */
  next: () => Promise<LiveEvent | undefined>;
  end: () => void;
};

/** @param on.take called with each event that is taken, and `on.end` once */
export function createSubscriber(on: { take: () => void; end: () => void }): Subscriber {
  const names = new Set<string>();
  let told: { cursor: string; mustRefetch: boolean } | undefined;
  let hasEnded = false;
  let wake: (() => void) | undefined;

  const take = (): LiveEvent | undefined => {
    if (told === undefined) return undefined;
    const event = { ...told, names: Array.from(names) };
    names.clear();
    told = undefined;
    on.take();
    return event;
  };

  return {
    tell({ cursor, mustRefetch, names: changed }) {
      if (hasEnded) return;
      const isFull = mustRefetch || told?.mustRefetch === true;
      if (!isFull)
        for (const name of changed) {
          names.delete(name);
          names.add(name);
        }
      told = { cursor, mustRefetch: isFull || names.size > MOST_NAMES };
      if (told.mustRefetch) names.clear();
      wake?.();
    },
    async next() {
      while (told === undefined && !hasEnded) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return hasEnded ? undefined : take();
    },
    end() {
      if (hasEnded) return;
      hasEnded = true;
      wake?.();
      on.end();
    },
  };
}
