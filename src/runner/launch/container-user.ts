import { describePod } from '../../api/describe-pod.ts'
import type { Container, Pod } from '../../api/types.ts'
import { findGroup, findUser, groupsOf, type Accounts } from './accounts.ts'
import { configError } from './errors.ts'
import type { ContainerUser } from '../sandbox/container-runtime.ts'

/**
 * Who the container's first process is: the container's securityContext over the Pod's over
 * the image's user. Absent when none of them says anything: the run-time's own choice.
 *
 * A runAsUser without a runAsGroup has group 0, as with a container run-time that finds no
 * such user in the image; fsGroup is one of the supplemental groups
 * (pkg/kubelet/kuberuntime/security_context.go). The groups that the accounts give the user come
 * with it, unless the Pod's policy is Strict (containerd, WithAdditionalGIDs).
 *
 * Throws an error of the container's configuration for a root that the manifest refuses.
 */
export function containerUser(
  pod: Pod,
  container: Container,
  imageUser: string | undefined,
  accounts: Accounts,
): ContainerUser | undefined {
  refuseRoot(pod, container, imageUser)
  const podContext = pod.spec.securityContext
  const runAsUser = container.securityContext?.runAsUser ?? podContext.runAsUser
  const runAsGroup =
    container.securityContext?.runAsGroup ?? podContext.runAsGroup
  const isStrict = podContext.supplementalGroupsPolicy === 'Strict'
  const said = [
    ...(podContext.supplementalGroups ?? []),
    ...(podContext.fsGroup === undefined ? [] : [podContext.fsGroup]),
  ]
  const image =
    imageUser === undefined ? undefined : parseImageUser(imageUser, accounts)
  const anythingSaid =
    runAsUser !== undefined ||
    runAsGroup !== undefined ||
    image !== undefined ||
    isStrict ||
    said.length > 0
  if (!anythingSaid) return undefined
  const uid = runAsUser ?? image?.uid ?? 0
  const merged = isStrict ? [] : groupsOf(accounts, uid)
  return {
    uid,
    // The image's group belongs to the image's user: another user does not inherit it.
    gid: runAsGroup ?? (runAsUser === undefined ? (image?.gid ?? 0) : 0),
    supplementalGroups: [...new Set([...said, ...merged])],
  }
}

/** verifyRunAsNonRoot, pkg/kubelet/kuberuntime/security_context_others.go, with its words. */
function refuseRoot(
  pod: Pod,
  container: Container,
  imageUser: string | undefined,
): void {
  const own = container.securityContext
  const { runAsNonRoot, runAsUser } = pod.spec.securityContext
  if (!(own?.runAsNonRoot ?? runAsNonRoot)) return
  const of = `(pod: "${describePod(pod)}", container: ${container.name})`
  const uid = own?.runAsUser ?? runAsUser
  if (uid === 0)
    throw configError(`container's runAsUser breaks non-root policy ${of}`)
  if (uid !== undefined) return
  // An image that names no user is root's.
  const [user = ''] = (imageUser || '0').split(':', 1)
  if (!isNumber(user))
    throw configError(
      `container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root ${of}`,
    )
  if (Number(user) === 0)
    throw configError(
      `container has runAsNonRoot and image will run as root ${of}`,
    )
}

function parseImageUser(
  text: string,
  accounts: Accounts,
): { readonly uid: number; readonly gid: number } {
  const [userText = '', groupText] = text.split(':', 2)
  const user = isNumber(userText)
    ? { uid: Number(userText), gid: 0 }
    : findUser(accounts, userText)
  if (user === undefined) {
    throw configError(`unable to find user ${userText}: no such user`)
  }
  if (groupText === undefined) return user
  const gid = isNumber(groupText)
    ? Number(groupText)
    : findGroup(accounts, groupText)
  if (gid === undefined) {
    throw configError(`unable to find group ${groupText}: no such group`)
  }
  return { uid: user.uid, gid }
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text)
}
