import { items, nameOf, part, text, type JsonObject } from '../api/json.ts'
import { parseQuantity, quantityMilliValue } from '../api/quantity.ts'
import type { ApiClient } from '../client/api-client.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { listOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const topCommand: Command = {
  name: 'top',
  summary:
    'show what Pods, this machine and podfs itself use of CPU and memory',
  usage: [
    'top [-n NAMESPACE | -A]',
    'top pods [POD] [-n NAMESPACE | -A] [-l SELECTOR] [--containers]',
    'top node',
    'top podfs',
  ],
  description: `Of the CPU over one second, in steps of 10m (0.01 of a core); of memory the proportional set size:
what processes share is divided among them. Of a Pod that has cgroups, as each has that says
anything of resources, what the kernel counts: files in its cache belong to it, too. podfs is the daemon, the keeper that holds its mount, and
the file servers, the one that serves and its standby, and the shims that run the Pods of
'podfs serve'. node is this machine: its memory is what is not available to others.`,
  examples: [
    { comment: 'all of it', line: 'podfs top -A' },
    { comment: 'this machine', line: 'podfs top node' },
    {
      comment: 'which container it is',
      line: 'podfs top pods web --containers',
    },
  ],
  options: {
    ...listOptions,
    containers: { help: 'a line for each container' },
  },
  run,
}

/** A line of the table: its names, then what stands behind the figures. */
interface Line {
  readonly names: readonly string[]
  readonly cpuMillis: bigint
  readonly memoryBytes: bigint
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const [what, name, ...more] = options.positionals
  const wantsPods = what === undefined || ['pods', 'pod', 'po'].includes(what)
  const wantsPodfs = what === undefined || what === 'podfs'
  const wantsNode = ['nodes', 'node', 'no'].includes(what ?? '')
  if (!wantsPods && !wantsPodfs && !wantsNode)
    throw new Failure('usage', `podfs top has no "${what}"`, {
      fix: 'podfs top pods, podfs top node, podfs top podfs',
    })
  if (more.length > 0 || (name !== undefined && wantsPodfs))
    throw new Failure('usage', 'one POD at most can be named', {
      fix: 'podfs top --help',
    })
  const { ApiFailure } = await import('../client/api-client.ts')
  const { serverError } = await import('./look/look-options.ts')
  const clients = await sessionsFor(context, options)
  try {
    const tables = await Promise.all([
      wantsPods ? podTable(options, clients, name) : undefined,
      wantsPodfs ? podfsTable(context, clients) : undefined,
      wantsNode ? nodeTable(options, clients, name) : undefined,
    ])
    const shown = tables.filter(each => each !== undefined && each !== '')
    context.stdout.text(shown.join('\n'))
    if (shown.length === 0)
      context.stderr.line(
        options.flag('all-namespaces')
          ? 'No resources found'
          : `No resources found in ${namespaceOf(options)} namespace.`,
      )
    return exitCodes.done
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  }
}

/** kubectl's table; '' when no Pod runs. */
async function podTable(
  options: ParsedOptions,
  clients: readonly ApiClient[],
  name: string | undefined,
): Promise<string> {
  const { askAll, podMetricsUrl } = await import('../client/api-client.ts')
  const isWide = options.flag('all-namespaces')
  const url = podMetricsUrl({
    namespace: isWide ? undefined : namespaceOf(options),
    labelSelector: options.value('selector'),
  })
  const answers = await askAll(clients, client => client.get(url))
  const byContainer = options.flag('containers')
  const lines = answers.flatMap(({ client, answer }) =>
    items(answer, 'items')
      .filter(pod => name === undefined || nameOf(pod) === name)
      .flatMap(pod => podLines(pod, byContainer))
      .map(line => ({
        ...line,
        names: isWide ? line.names : line.names.slice(1),
        last: clients.length > 1 ? [client.id] : [],
      })),
  )
  if (name !== undefined && lines.length === 0)
    throw new Failure('failed', `no Pod ${name} runs`, {
      fix: 'podfs get pods -A',
    })
  return tableOf(
    [...(isWide ? ['NAMESPACE'] : []), ...(byContainer ? ['POD'] : []), 'NAME'],
    lines,
    clients.length > 1 ? ['SESSION'] : [],
  )
}

function podLines(pod: JsonObject, byContainer: boolean): readonly Line[] {
  const namespace = text(part(pod, 'metadata')['namespace'])
  const containers = items(pod, 'containers').map(container => {
    const { cpu, memory } = part(container, 'usage')
    return {
      names: [namespace, nameOf(pod), text(container['name'])],
      cpuMillis: quantityMilliValue(parseQuantity(text(cpu)) ?? 0n),
      memoryBytes: (parseQuantity(text(memory)) ?? 0n) / 1_000_000_000n,
    }
  })
  if (byContainer)
    return containers.toSorted((a, b) =>
      (a.names[2] ?? '') < (b.names[2] ?? '') ? -1 : 1,
    )
  const sum = (values: readonly bigint[]): bigint =>
    values.reduce((total, value) => total + value, 0n)
  return [
    {
      names: [namespace, nameOf(pod)],
      cpuMillis: sum(containers.map(({ cpuMillis }) => cpuMillis)),
      memoryBytes: sum(containers.map(({ memoryBytes }) => memoryBytes)),
    },
  ]
}

/** kubectl's table of the one node there is, whoever is asked. */
async function nodeTable(
  options: ParsedOptions,
  [client]: readonly ApiClient[],
  name: string | undefined,
): Promise<string> {
  if (client === undefined) return ''
  const { findResource, nodeMetricsUrl, urlOf } =
    await import('../client/api-client.ts')
  const { alignTable } = await import('./look/tab-writer.ts')
  const nodes = findResource('nodes')
  if (nodes === undefined) throw new Error('no resource of nodes')
  const metrics = nodeMetricsUrl(name, options.value('selector'))
  const [answer, list] = await Promise.all([
    client.get(metrics),
    client.get(urlOf(nodes, {})),
  ])
  const rows = (name === undefined ? items(answer, 'items') : [answer]).map(
    metrics => {
      const node = items(list, 'items').find(
        node => nameOf(node) === nameOf(metrics),
      )
      const allocatable = part(part(node ?? {}, 'status'), 'allocatable')
      const { cpu, memory } = part(metrics, 'usage')
      const usage = [cpu, memory].map(each => parseQuantity(text(each)) ?? 0n)
      const [cpuNanos = 0n, memoryNanos = 0n] = usage
      const percent = (used: bigint, key: string): string => {
        const all = parseQuantity(text(allocatable[key])) ?? 0n
        return all === 0n ? '<unknown>' : `${(used * 100n) / all}%`
      }
      return [
        nameOf(metrics),
        `${quantityMilliValue(cpuNanos)}m`,
        percent(cpuNanos, 'cpu'),
        `${(memoryNanos / 1_000_000_000n) >> 20n}Mi`,
        percent(memoryNanos, 'memory'),
      ]
    },
  )
  if (rows.length === 0) return ''
  const header = ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)']
  return alignTable([header, ...rows])
}

async function podfsTable(
  context: Context,
  clients: readonly ApiClient[],
): Promise<string> {
  const { podfsUsage } = await import('../session/podfs-usage.ts')
  const sessions = clients.map(({ session }) => session)
  const all = await podfsUsage(sessions, context.clock)
  return tableOf(
    ['PODFS', 'PIDS'],
    all.map(({ role, pids, usage, session }) => ({
      names: [role, pids.join(',')],
      cpuMillis: BigInt(Math.ceil(usage.cpuNanos / 1e6)),
      memoryBytes: BigInt(usage.memoryBytes),
      last: [session],
    })),
    ['SESSION'],
  )
}

/** As kubectl rounds: thousandths up, MiB down. */
async function tableOf(
  first: readonly string[],
  lines: readonly (Line & { readonly last: readonly string[] })[],
  last: readonly string[],
): Promise<string> {
  if (lines.length === 0) return ''
  const { alignTable } = await import('./look/tab-writer.ts')
  const rows = lines.map(({ names, cpuMillis, memoryBytes, last }) => [
    ...names,
    `${cpuMillis}m`,
    `${memoryBytes >> 20n}Mi`,
    ...last,
  ])
  const header = [...first, 'CPU(cores)', 'MEMORY(bytes)', ...last]
  return alignTable([header, ...rows])
}
