import type { Container, Pod } from '../../api/types.ts'
import { findGroup, findUser, type Accounts } from './accounts.ts'
import { configError } from './errors.ts'
import type { ContainerUser } from '../sandbox/container-runtime.ts'

/**
 * Who the container's first process is: the container's securityContext over the Pod's over
 * the image's user. Absent when none of them says anything: the run-time's own choice.
 *
 * A runAsUser without a runAsGroup has group 0, as with a container run-time that finds no
 * such user in the image; fsGroup is one of the supplemental groups
 * (pkg/kubelet/kuberuntime/security_context.go).
 */
export function containerUser(
  pod: Pod,
  container: Container,
  imageUser: string | undefined,
  accounts: Accounts,
): ContainerUser | undefined {
  const podContext = pod.spec.securityContext
  const runAsUser = container.securityContext?.runAsUser ?? podContext.runAsUser
  const runAsGroup =
    container.securityContext?.runAsGroup ?? podContext.runAsGroup
  const supplementalGroups = [
    ...new Set([
      ...(podContext.supplementalGroups ?? []),
      ...(podContext.fsGroup === undefined ? [] : [podContext.fsGroup]),
    ]),
  ]
  const image =
    imageUser === undefined ? undefined : parseImageUser(imageUser, accounts)
  const anythingSaid =
    runAsUser !== undefined ||
    runAsGroup !== undefined ||
    image !== undefined ||
    supplementalGroups.length > 0
  if (!anythingSaid) return undefined
  return {
    uid: runAsUser ?? image?.uid ?? 0,
    // The image's group belongs to the image's user: another user does not inherit it.
    gid: runAsGroup ?? (runAsUser === undefined ? (image?.gid ?? 0) : 0),
    supplementalGroups,
  }
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
