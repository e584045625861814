/**
 * `$(VAR)` in env values, command, args and subPathExpr
 * (third_party/forked/golang/expansion/expand.go; docs/kubernetes.md#expansion-of-var).
 *
 * `$$` is `$`; a reference that nothing answers stays as it is written; a value is not
 * expanded again; anything else after `$` is literal.
 */
export function expand(
  input: string,
  lookup: (name: string) => string | undefined,
): string {
  let output = ''
  let checkpoint = 0
  for (let cursor = 0; cursor < input.length; cursor++) {
    if (input[cursor] !== '$' || cursor + 1 >= input.length) continue
    output += input.slice(checkpoint, cursor)
    const { text, length } = readReference(input, cursor + 1, lookup)
    output += text
    cursor += length
    checkpoint = cursor + 1
  }
  return output + input.slice(checkpoint)
}

/** What stands for the `$` and the `length` characters after it. */
function readReference(
  input: string,
  start: number,
  lookup: (name: string) => string | undefined,
): { text: string; length: number } {
  const next = input.charAt(start)
  if (next === '$') return { text: '$', length: 1 }
  if (next !== '(') return { text: `$${next}`, length: next.length }
  const end = input.indexOf(')', start + 1)
  // Unclosed: the search goes on right after `$(`, so that a later `$$` still counts.
  if (end === -1) return { text: '$(', length: 1 }
  const name = input.slice(start + 1, end)
  return { text: lookup(name) ?? `$(${name})`, length: end - start + 1 }
}

/** For command and args: the container's final environment answers. */
export function expandWith(
  input: string,
  env: ReadonlyMap<string, string>,
): string {
  return expand(input, name => env.get(name))
}

export type StrictExpansion =
  { readonly value: string } | { readonly missing: readonly string[] }

/**
 * For subPathExpr: an undefined **or empty** variable is an error
 * (ExpandContainerVolumeMounts, pkg/kubelet/container/helpers.go).
 */
export function expandStrict(
  input: string,
  env: ReadonlyMap<string, string>,
): StrictExpansion {
  const missing: string[] = []
  const value = expand(input, name => {
    const found = env.get(name)
    if (found === undefined || found === '') missing.push(name)
    return found
  })
  return missing.length > 0 ? { missing } : { value }
}
