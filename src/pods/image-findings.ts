import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import type { Finding } from '../api/report.ts'
import type { Pod } from '../api/types.ts'
import { unknownImages, type ImageMap } from '../runner/launch/images.ts'
import { podFinding } from './pod-finding.ts'
import { containerPath } from './pod-session.ts'

/** What must be said before the Pod can be started: each image of which nobody says what to run. */
export function imageFindings(pod: Pod, images: ImageMap): readonly Finding[] {
  return unknownImages(pod.spec, images, isProgram).map(
    ({ fieldPath, ...about }) =>
      podFinding(pod, fieldPath, { treatment: 'rejected', ...about }),
  )
}

function isProgram(name: string): boolean {
  const candidates = name.includes('/')
    ? [name]
    : containerPath(process.env['PATH'])
        .split(':')
        .map(directory => path.join(directory, name))
  return name !== '' && candidates.some(isExecutableFile)
}

function isExecutableFile(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
