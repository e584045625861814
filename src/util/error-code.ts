/** What the system, Node or podfs calls an error, such as `ENOENT`; undefined where it has no code. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string'
    ? error.code
    : undefined
}

/** Whether it is one of these. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  const code = errorCode(error)
  return code !== undefined && codes.includes(code)
}
