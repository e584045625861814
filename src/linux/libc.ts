import type Koffi from 'koffi'

/**
 * What Node has no call for, by npm's koffi, which has binaries for most machines, and is optional.
 * The library is what this process has loaded itself: glibc or musl. Rejects when koffi is not
 * installed, or not for this machine.
 */
export async function loadLibc() {
  const koffi = await loadBinary().catch(
    async () => (await import('koffi')).default,
  )
  return { koffi, libc: koffi.load(null) }
}

/**
 * The package that koffi takes its functions from. koffi itself is 10 ms of compiling what is for
 * other machines, in a start that has no more to do (measured: 11 ms, and 4 without it).
 */
async function loadBinary(): Promise<typeof Koffi> {
  const name = `@koromix/koffi-${process.platform}-${process.arch}`
  const { default: koffi } = (await import(name)) as { default: typeof Koffi }
  return koffi
}
