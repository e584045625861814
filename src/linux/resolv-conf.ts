/** What resolv.conf(5) says, as far as a kubelet takes it over. */
export interface ResolvConf {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

/** parseResolvConf, pkg/kubelet/network/dns/dns.go: of several `search` the last counts. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = []
  const options: string[] = []
  let searches: readonly string[] = []
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line.trim().split(/\s+/)
    if (keyword === 'nameserver') nameservers.push(...values.slice(0, 1))
    if (keyword === 'options') options.push(...values)
    if (keyword === 'search')
      searches = values.map(value =>
        value === '.' ? value : value.replace(/\.$/, ''),
      )
  }
  return { nameservers, searches, options }
}
