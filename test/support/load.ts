/** People who write through a server without a pause, and remember what was acknowledged. */
import { setTimeout as sleep } from "node:timers/promises";

export type Load = {
  /** The number that was acknowledged last, by writer. */
  acknowledged: Map<string, number>;
  /** How many writes were acknowledged, and why others were not: a reason, or `no answer`. */
  count: () => { written: number; refused: Record<string, number> };
  /** Where the server is now, after it was started again. */
  moveTo: (address: string) => void;
  stop: () => Promise<void>;
};

const SAVE =
  'mutation ($n: JSON!) { saveSessionState(input: { sessionKey: "load", uiState: $n }) { clientMutationId } }';

/**
 * Starts a writer for each token: it saves 1, 2, 3… as its session state, each number until it is acknowledged.
 * @param tokens by the writer's name
 */
export function startLoad(address: string, tokens: Map<string, string>): Load {
  const acknowledged = new Map<string, number>();
  const refused = new Map<string, number>();
  let written = 0;
  let isOver = false;
  let at = address;

  const save = async (token: string, number: number): Promise<string | undefined> => {
    try {
      const response = await fetch(`${at}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: SAVE, variables: { n: { number } } }),
        signal: AbortSignal.timeout(40_000),
      });
      const { errors } = (await response.json()) as { errors?: { extensions: { reason: string } }[] };
      return errors?.[0]?.extensions.reason;
    } catch (error) {
      return error instanceof DOMException ? "hung" : "no answer";
    }
  };
  const write = async (name: string, token: string): Promise<void> => {
    for (let number = 1; !isOver;) {
      const reason = await save(token, number);
      if (reason === undefined) {
        acknowledged.set(name, number);
        written += 1;
        number += 1;
      } else {
        refused.set(reason, (refused.get(reason) ?? 0) + 1);
        await sleep(50);
      }
    }
  };
  const writers = Array.from(tokens, ([name, token]) => write(name, token));

  return {
    acknowledged,
    count: () => ({ written, refused: Object.fromEntries(refused) }),
    moveTo: (address) => {
      at = address;
    },
    stop: async () => {
      isOver = true;
      await Promise.all(writers);
    },
  };
}
