/** Reads one variable of the environment. */
import { type Name, type Variable, VARIABLES } from "./variables.ts";

/** The value of a variable without blanks around it; an empty one counts as unset. */
export function given(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/**
 * Reads one variable.
 * @param provider what stands for `<NAME>`
 * @throws UserError naming the variable and what it must be
 */
export function readVariable<N extends Name>(
  env: NodeJS.ProcessEnv,
  name: N,
  provider = "",
): ReturnType<(typeof VARIABLES)[N]["parse"]> {
  const { fallback, parse } = VARIABLES[name] as Variable<ReturnType<(typeof VARIABLES)[N]["parse"]>>;
  const called = name.replace("<NAME>", provider);
  const value = given(env, called);
  return value === undefined ? fallback : parse(value, called);
}
