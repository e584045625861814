import type { MachineTools } from '../../../linux/machine-tools.ts'
import type { WrittenCni } from './attachment-file.ts'
import {
  isChecked,
  pluginCall,
  pluginsFor,
  type CniResult,
} from './cni-call.ts'
import { findPlugin, runPlugin } from './run-plugin.ts'

/**
 * What iptables(8) says of a rule that leads to a chain which is not there. For bridge, in its last
 * step, that is a failure (its libraries know the words of another version), of each DEL after an
 * ADD or a DEL that was killed half-way: nothing is there any more that it could take away.
 */
const noChain =
  /iptables.*(Chain '[^']*' does not exist|Couldn't load target|No chain\/target\/match by that name)/s

type Tools = Pick<MachineTools, 'setpriv'>

/** Connects the namespace at a path. What a failure leaves is for `del`. */
export async function add(
  tools: Tools,
  attachment: WrittenCni,
  netns: string,
  abort?: AbortSignal,
): Promise<CniResult> {
  const { list, binDirs } = attachment
  let prevResult: CniResult | undefined
  for (const plugin of pluginsFor('ADD', list)) {
    const about = { netns, binDirs, ...(prevResult && { prevResult }) }
    const call = pluginCall('ADD', attachment, plugin, about)
    prevResult = await runPlugin(tools, binDirs, call, abort)
  }
  return prevResult ?? {}
}

/** Rejects when the connection is not as `add` has made it. */
export async function check(
  tools: Tools,
  attachment: WrittenCni,
  netns: string,
): Promise<void> {
  const { list, binDirs, result } = attachment
  if (!isChecked(list) || result === undefined) return
  for (const plugin of pluginsFor('CHECK', list)) {
    const about = { netns, binDirs, prevResult: result }
    const call = pluginCall('CHECK', attachment, plugin, about)
    await runPlugin(tools, binDirs, call)
  }
}

/**
 * Takes the connection away, whatever of it there is. A plugin that has been uninstalled cannot be
 * asked. Each is asked whatever became of the others; rejects with the first failure.
 */
export async function del(
  tools: Tools,
  attachment: WrittenCni,
  netns: string,
): Promise<void> {
  const { list, binDirs, result } = attachment
  const failures: unknown[] = []
  for (const plugin of pluginsFor('DEL', list)) {
    if (findPlugin(plugin.type, binDirs) === undefined) continue
    const about = { netns, binDirs, ...(result && { prevResult: result }) }
    const call = pluginCall('DEL', attachment, plugin, about)
    await runPlugin(tools, binDirs, call).catch((error: Error) => {
      if (!noChain.test(error.message)) failures.push(error)
    })
  }
  if (failures.length > 0) throw failures[0]
}
