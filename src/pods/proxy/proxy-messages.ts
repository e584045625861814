import type {
  AppliedTable,
  ProxyMessage,
} from '../../services/service-proxy.ts'
import type { ServiceTable } from '../../services/service-table.ts'

/** Changes with each change of what is said here. Others are not talked to. */
export const proxyProtocol = 3

/** What `podfs serve` says to its Service proxy. */
export type ToProxy =
  | {
      readonly say: 'table'
      readonly request: number
      readonly table: ServiceTable
    }
  /** End. */
  | { readonly say: 'close' }

export type FromProxy =
  | { readonly say: 'hello'; readonly protocol: number }
  | ({ readonly say: 'applied'; readonly request: number } & AppliedTable)
  | ProxyMessage
