import { isUtf8 } from 'node:buffer'
import { join } from 'node:path'
import type { ConfigMap, Secret } from '../../api/types.ts'
import { withoutAgeSuffix } from '../encryption/age-file.ts'

/** The object that a directory is. */
export interface DirectoryObject {
  readonly directory: string
  readonly kind: 'ConfigMap' | 'Secret'
  /** Its metadata.name. */
  readonly name: string
  readonly namespace: string
}

/** Makes it of the files, by their names; of a ConfigMap what is no text is `binaryData`. */
export function objectOfFiles(
  files: ReadonlyMap<string, Uint8Array>,
  { directory, kind, name, namespace }: DirectoryObject,
): ConfigMap | Secret {
  const all = new Map<string, Uint8Array>()
  const names = new Map<string, string>()
  for (const [name, bytes] of [...files].sort(byName)) {
    const key = withoutAgeSuffix(name)
    // `NAME` comes before `NAME.age`.
    if (all.has(key)) continue
    names.set(key, name)
    all.set(key, new Uint8Array(bytes))
  }
  const here = { path: directory, line: 1, column: 1 }
  const common = {
    metadata: {
      name,
      namespace,
      uid: '',
      labels: new Map(),
      annotations: new Map(),
    },
    immutable: false,
    source: {
      ...here,
      positionOf: (path: string) => {
        const key = /^(?:data|binaryData)\[(.*)\]$/.exec(path)?.[1]
        return key === undefined
          ? here
          : { ...here, path: join(directory, names.get(key) ?? key) }
      },
    },
  }
  if (kind === 'Secret') return { kind, ...common, type: 'Opaque', data: all }
  const isText = ([, bytes]: [string, Uint8Array]): boolean => isUtf8(bytes)
  const entries = [...all]
  return {
    kind,
    ...common,
    data: new Map(
      entries
        .filter(isText)
        .map(([key, bytes]) => [key, Buffer.from(bytes).toString()]),
    ),
    binaryData: new Map(entries.filter(each => !isText(each))),
  }
}

function byName([a]: [string, Uint8Array], [b]: [string, Uint8Array]): number {
  return a < b ? -1 : 1
}
