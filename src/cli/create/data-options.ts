import { Failure } from '../../util/failure.ts'
import type { Context } from '../context.ts'
import type { Options, ParsedOptions } from '../options.ts'
import type { NewObject } from './new-object.ts'
import { addEnvFiles, addFiles, addLiterals } from './sources.ts'
import { stringSlice } from './string-slice.ts'

/** Where the data of a ConfigMap or generic Secret comes from. */
export const dataOptions = {
  'from-file': {
    value: '[KEY=]FILE',
    repeatable: true,
    help: 'a file, under its own name or KEY; a directory: its regular files',
  },
  'from-literal': {
    value: 'KEY=VALUE',
    repeatable: true,
    help: 'a key and its value',
  },
  'from-env-file': {
    value: 'FILE',
    repeatable: true,
    help: "lines of KEY=VALUE; KEY alone takes the environment's value",
  },
} as const satisfies Options

type Source = keyof typeof dataOptions

/** Of several mistakes the first one in this order is told, as kubectl does. */
const orders = {
  ConfigMap: ['from-file', 'from-literal', 'from-env-file'],
  Secret: ['from-literal', 'from-file', 'from-env-file'],
} as const satisfies Record<NewObject['kind'], readonly Source[]>

export async function addData(
  object: NewObject,
  options: ParsedOptions,
  context: Context,
): Promise<void> {
  const files = stringSlice('from-file', options.values('from-file'))
  const literals = options.values('from-literal')
  const envFiles = stringSlice('from-env-file', options.values('from-env-file'))
  if (envFiles.length > 0 && files.length + literals.length > 0)
    throw new Failure(
      'usage',
      'from-env-file cannot be combined with from-file or from-literal',
    )
  for (const source of orders[object.kind]) {
    switch (source) {
      case 'from-file':
        await addFiles(object, files, context.cwd)
        break
      case 'from-literal':
        addLiterals(object, literals)
        break
      case 'from-env-file':
        await addEnvFiles(object, envFiles, context)
    }
  }
}
