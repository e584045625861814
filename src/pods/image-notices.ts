import type { Finding } from '../api/report.ts'
import type { Container, Pod } from '../api/types.ts'
import { findImage, type ImageMap } from '../runner/launch/images.ts'
import {
  appletUses,
  type AppletUse,
} from '../runner/sandbox/busybox-applets.ts'
import { hasBusybox, machineLacks } from '../runner/sandbox/sandbox-runtime.ts'
import { Failure } from '../util/failure.ts'
import { imageFindings } from './image-findings.ts'

/** Before anything is started: each image with the flag to type. */
export function refuseUnknownImages(
  pods: readonly Pod[],
  images: ImageMap,
  report: (finding: Finding) => void,
): void {
  const findings = pods.flatMap(pod => imageFindings(pod, images))
  if (findings.length === 0) return
  for (const finding of findings) report(finding)
  throw new Failure('failed', 'an image is unknown; nothing was started')
}

function ofBusybox(pods: readonly Pod[], images: ImageMap): Container[] {
  return pods
    .flatMap(({ spec }) => [...spec.initContainers, ...spec.containers])
    .filter(({ image }) => findImage(images, image)?.busybox === true)
}

/** Of scripts that would wait for ever: the containers' own, as far as one can see. */
export async function tellLackingApplets(
  pods: readonly Pod[],
  images: ImageMap,
  notice: (text: string) => void,
): Promise<void> {
  const users = ({ pattern }: AppletUse): readonly Container[] =>
    ofBusybox(pods, images).filter(({ command = [], args = [] }) =>
      [...command, ...args].some(word => pattern.test(word)),
    )
  const asked = appletUses.filter(use => users(use).length > 0)
  for (const lack of await machineLacks(asked)) {
    const names = users(lack).map(({ name }) => name)
    notice(
      `this machine has no ${lack.use}, which ${names.join(', ')} would run: its busybox cannot do it, and there is no other program (podfs doctor)`,
    )
  }
}

/** Of containers that are to run with it. */
export function tellMissingBusybox(
  pods: readonly Pod[],
  images: ImageMap,
  notice: (text: string) => void,
): void {
  const wanted = ofBusybox(pods, images)
  if (wanted.length === 0 || hasBusybox()) return
  notice(
    `this machine has no busybox: ${wanted.map(({ name }) => name).join(', ')} run with its own sh and tools`,
  )
}
