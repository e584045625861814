import type { FindingList } from '../decode/finding-list.ts'
import { invalid } from '../field-errors.ts'
import type { ResourceRequirements } from '../types.ts'

const suffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']

/** Source: ValidateContainerResourceRequirements: a request may not exceed its limit. */
export function validateResources(
  resources: ResourceRequirements,
  path: string,
  findings: FindingList,
): void {
  for (const [list, quantities] of Object.entries(resources)) {
    if (!(quantities instanceof Map)) continue
    for (const [resource, quantity] of quantities) {
      if (approximate(String(quantity)) < 0) {
        findings.reject(
          `${path}.${list}[${String(resource)}]`,
          invalid(String(quantity), 'must be greater than or equal to 0'),
        )
      }
    }
  }
  for (const [resource, request] of resources.requests) {
    const limit = resources.limits.get(resource)
    if (limit !== undefined && approximate(request) > approximate(limit)) {
      findings.reject(
        `${path}.requests`,
        invalid(
          request,
          `must be less than or equal to ${resource} limit of ${limit}`,
        ),
      )
    }
  }
}

/** Good enough to compare two quantities; their exact value is quantity.ts's affair. */
function approximate(quantity: string): number {
  const [, number = '0', suffix = ''] =
    /^([-+]?[\d.]+)([^\d.]?i?)?$/.exec(quantity) ?? []
  if (number === '0' && quantity !== '0') return Number(quantity)
  if (suffix.endsWith('i')) {
    return Number(number) * 1024 ** ('KMGTPE'.indexOf(suffix.charAt(0)) + 1)
  }
  return Number(number) * 1000 ** (suffixes.indexOf(suffix) - 3)
}
