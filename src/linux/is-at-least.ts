/** Whether a version, such as `6.18.44-fc` of uname(2), is this one or a later one. */
export function isAtLeast(
  version: string,
  [major, minor]: readonly [number, number],
): boolean {
  const [hasMajor = 0, hasMinor = 0] = version.split(/[.-]/).map(Number)
  return hasMajor > major || (hasMajor === major && hasMinor >= minor)
}

/** Linux with FUSE_NOTIFY_RESEND: a request that a killed server had read is sent again. */
export const resendSince = [6, 9] as const
