import { goJson } from './go-json.ts'
import type { StringTree } from './go-yaml.ts'

export interface Registry {
  readonly server: string
  readonly username: string
  readonly password: string
  /** May be empty. */
  readonly email: string
}

/** The bytes of `.dockerconfigjson`, as kubectl makes them: Go's JSON on one line. */
export function dockerConfigJson(registry: Registry): Uint8Array {
  const { server, username, password, email } = registry
  const auth = Buffer.from(`${username}:${password}`, 'utf8').toString('base64')
  const entry = new Map([
    ['username', username],
    ['password', password],
    ...(email === '' ? [] : [['email', email] as const]),
    ['auth', auth],
  ])
  const auths: StringTree = new Map([[server, entry]])
  return Buffer.from(goJson(new Map([['auths', auths]])), 'utf8')
}
