import type { Pod } from '../../api/types.ts'
import { hasStarted, type ContainerRecord } from './container-record.ts'

/**
 * Whether a Pod whose sandbox is lost gets another one (computePodActions,
 * pkg/kubelet/kuberuntime/kuberuntime_manager.go): where nothing may be restarted, only as long as
 * nothing has started. Else it ends.
 */
export function getsAnotherSandbox(
  { spec }: Pod,
  records: ReadonlyMap<string, ContainerRecord>,
): boolean {
  return (
    spec.restartPolicy !== 'Never' || ![...records.values()].some(hasStarted)
  )
}
