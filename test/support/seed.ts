/** Property tests try the same cases in every run, so that a failure is the change's; FAST_CHECK_SEED=n tries others. */
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env["FAST_CHECK_SEED"] ?? 1) });
