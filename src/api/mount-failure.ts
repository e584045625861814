/** The kubelet's words (pkg/volume/util/operationexecutor); the blank is theirs. */
export function mountFailure(volume: string, reason: string): string {
  return `MountVolume.SetUp failed for volume "${volume}" : ${reason}`
}
