/**
 * What Node has no call for, by npm's koffi, which has binaries for most machines, and is optional.
 * The library is what this process has loaded itself: glibc or musl. Rejects when koffi is not
 * installed, or not for this machine.
 */
export async function loadLibc() {
  const { default: koffi } = await import('koffi')
  return { koffi, libc: koffi.load(null) }
}
