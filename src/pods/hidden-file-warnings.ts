import type { Finding } from '../api/report.ts'
import type { NodeInfo } from '../api/types.ts'
import {
  collectPayload,
  hiddenFileMessage,
  isManagedVolume,
} from '../projection/projection.ts'
import type { Store } from '../store/store.ts'
import { podFinding } from './pod-finding.ts'

/**
 * Of each volume of each Pod, the files that nobody will see: two sources have the same path,
 * and one of them has it from a key of an object, which the check of the Pod alone does not
 * see. What is not in the input may be elsewhere: nothing is said of it.
 */
export function hiddenFileWarnings(
  store: Store,
  node: NodeInfo,
): readonly Finding[] {
  return store.list('Pod').flatMap(pod => {
    const { namespace } = pod.metadata
    return pod.spec.volumes.filter(isManagedVolume).flatMap(volume =>
      collectPayload({
        volume,
        pod,
        node,
        secret: name => store.get('Secret', namespace, name),
        configMap: name => store.get('ConfigMap', namespace, name),
        trustBundles: () => store.list('ClusterTrustBundle'),
        // That there is a token is enough.
        token: () => '',
      }).hidden.map(file =>
        podFinding(pod, file.fieldPath, {
          treatment: 'warning',
          message: hiddenFileMessage(file, volume),
        }),
      ),
    )
  })
}
