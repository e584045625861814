import { MountError } from '../linux/mount-error.ts'
import { Failure } from '../util/failure.ts'
import { asFailure } from './failures.ts'
import type { Places } from './places.ts'
import { isInUserNamespace } from './user-namespace.ts'

/** The checks of `podfs doctor` that say why nothing can be mounted. */
const neededToMount = ['rights', '/dev/fuse', 'util-linux', 'fusermount3']

/**
 * `asFailure`, and for a mount that the machine refused its cause: what mount(8) or a shell
 * says of it helps nobody, so podfs looks at the machine as `podfs doctor` does.
 */
export async function explainedFailure(
  thrown: unknown,
  places: Places,
): Promise<unknown> {
  const failure = asFailure(thrown)
  // What keeps an ordinary user from mounting the backend has said.
  const isRefused =
    process.getuid?.() === 0 &&
    thrown instanceof MountError &&
    failure instanceof Failure &&
    failure.kind === 'platform'
  if (!isRefused) return failure
  const [{ checkMachine }, { readMachineFacts }] = await Promise.all([
    import('./machine/checks.ts'),
    import('./machine/machine-facts.ts'),
  ])
  const found = checkMachine(await readMachineFacts(places)).find(
    ({ name, status }) => status === 'missing' && neededToMount.includes(name),
  )
  if (found === undefined)
    return isInUserNamespace() ? othersMounts(thrown) : failure
  const { name, detail, fix } = found
  return new Failure('platform', `cannot mount: ${name}: ${detail}`, {
    cause: thrown,
    ...(fix === undefined ? {} : { fix }),
  })
}

/** Its root may mount only in a mount namespace that has been made in it. */
function othersMounts(cause: MountError): Failure {
  return new Failure(
    'platform',
    'cannot mount: this user namespace has no mount namespace of its own',
    { fix: 'unshare -Urm, not unshare -Ur; or --backend dir for mount', cause },
  )
}
