import {
  LabelSelectorError,
  parseLabelSelector,
} from '../api/label-selector.ts'
import type { PodChoice } from '../pods/choose-pods.ts'
import { Failure } from '../util/failure.ts'
import type { Options } from './options.ts'

export const selectorOption = {
  selector: {
    short: 'l',
    value: 'SELECTOR',
    help: 'Pods with these labels: =, ==, !=, in, notin, KEY, !KEY',
  },
} as const satisfies Options

/** The Pods that `-l TEXT` means. Throws a usage Failure. */
export function selectedBy(text: string): PodChoice {
  try {
    return { kind: 'selected', selector: parseLabelSelector(text), text }
  } catch (error) {
    if (!(error instanceof LabelSelectorError)) throw error
    throw new Failure('usage', `-l '${text}': ${error.message}`, {
      cause: error,
    })
  }
}
