import { ownIdMaps, type IdMaps } from '../../linux/user-namespace.ts'
import { textOf } from '../../util/text-of.ts'

/** A machine's users and groups, as the text of passwd(5) and group(5). */
export interface Accounts {
  readonly passwd: string
  readonly group: string
  /** Those that podfs's user namespace has; absent: all. */
  readonly idMaps?: IdMaps
}

/** A container sees this machine's /etc, so these are its accounts too. */
export function readAccounts(): Accounts {
  // A machine may do without: every id is then a number, and HOME is `/`.
  const idMaps = ownIdMaps()
  return {
    ...(idMaps && { idMaps }),
    passwd: textOf('/etc/passwd') ?? '',
    group: textOf('/etc/group') ?? '',
  }
}

export function homeOf(accounts: Accounts, uid: number): string | undefined {
  const entry = lines(accounts.passwd).find(([, , id]) => id === String(uid))
  return entry?.[5] || undefined
}

/** The user's number and its own group. */
export function findUser(
  accounts: Accounts,
  name: string,
): { readonly uid: number; readonly gid: number } | undefined {
  const entry = lines(accounts.passwd).find(([user]) => user === name)
  if (entry === undefined) return undefined
  return { uid: Number(entry[2]), gid: Number(entry[3]) }
}

export function findGroup(
  accounts: Accounts,
  name: string,
): number | undefined {
  const entry = lines(accounts.group).find(([group]) => group === name)
  return entry === undefined ? undefined : Number(entry[2])
}

/** The groups that name the user with this number as a member. */
export function groupsOf(accounts: Accounts, uid: number): number[] {
  const name = lines(accounts.passwd).find(
    ([, , id]) => id === String(uid),
  )?.[0]
  if (name === undefined) return []
  return lines(accounts.group)
    .filter(([, , , members = '']) => members.split(',').includes(name))
    .map(([, , id]) => Number(id))
}

/**
 * The machine's passwd(5) with an entry for a user who has none there, as CRI-O and podman make it:
 * the image that its number is from has one, and many programs do not start without (initdb, ssh).
 * Undefined: it has one.
 */
export function passwdWith(
  { passwd }: Accounts,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): string | undefined {
  if (lines(passwd).some(([, , id]) => id === String(uid))) return undefined
  const entry = `${uid}:x:${uid}:${gid}:container user:/:/sbin/nologin\n`
  return passwd.replace(/[^\n]$/, '$&\n') + entry
}

function lines(text: string): readonly (readonly string[])[] {
  return text.split('\n').map(line => line.split(':'))
}
