import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required } from '../field-errors.ts'
import type { DownwardAPIVolumeFile, KeyToPath } from '../types.ts'
import { validateMode, validateNonReservedPath } from './paths.ts'
import {
  validateFieldRef,
  validateResourceFieldRef,
  volumeFieldPaths,
} from './references.ts'

export function validateItems(
  items: readonly KeyToPath[] | undefined,
  path: string,
  findings: FindingList,
): void {
  for (const [i, item] of (items ?? []).entries()) {
    if (item.path !== undefined) {
      validateNonReservedPath(item.path, `${path}[${i}].path`, findings)
    }
    validateMode(item.mode, `${path}[${i}].mode`, findings)
  }
}

/** The API server names the whole downwardAPI, not the item. */
export function validateDownwardFile(
  file: DownwardAPIVolumeFile,
  path: string,
  findings: FindingList,
): void {
  if (file.path === '') {
    findings.reject(`${path}.path`, required())
  } else {
    validateNonReservedPath(file.path, `${path}.path`, findings)
  }
  if (file.fieldRef !== undefined) {
    validateFieldRef(
      file.fieldRef,
      `${path}.fieldRef`,
      volumeFieldPaths,
      findings,
    )
    if (file.resourceFieldRef !== undefined) {
      findings.reject(
        path,
        invalid(
          'resource',
          'fieldRef and resourceFieldRef can not be specified simultaneously',
        ),
      )
    }
  } else if (file.resourceFieldRef !== undefined) {
    validateResourceFieldRef(
      file.resourceFieldRef,
      `${path}.resourceFieldRef`,
      true,
      findings,
    )
  } else {
    findings.reject(
      path,
      required('one of fieldRef and resourceFieldRef is required'),
    )
  }
  validateMode(file.mode, `${path}.mode`, findings)
}
