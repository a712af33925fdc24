/** Large answers are compressed, but for those in which a token may be. */
import compress from "@fastify/compress";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** Bytes below which it is not worth it. */
const LARGE = 2048;

export async function addCompression(app: FastifyInstance): Promise<void> {
  await app.register(compress, { threshold: LARGE, encodings: ["br", "gzip"], globalDecompression: false });
}

/**
 * Leaves the answer to a request as it is. The length of a compressed answer tells what is in it to whoever can have
 * text of their own in it and sees it pass by (BREACH).
 */
export function leaveUncompressed(request: FastifyRequest): void {
  request.headers["x-no-compression"] = "true";
}
