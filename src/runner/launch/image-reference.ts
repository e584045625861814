/** A container image's name, taken apart. */
export interface ImageReference {
  /** `docker.io` where none is written, as every container engine reads it. */
  readonly registry: string
  readonly registryWritten: boolean
  /** Without the `library/` that docker.io puts before its own images. */
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

/**
 * The rules of github.com/distribution/reference: what stands before the first `/` is a
 * registry when it has a `.` or a `:` or is `localhost`.
 */
export function parseImageReference(text: string): ImageReference {
  // Stryker disable next-line StringLiteral: there is a first part
  const [beforeDigest = '', digest] = text.split('@', 2)
  const slash = beforeDigest.indexOf('/')
  // Stryker disable next-line StringLiteral: what is no registry
  const first = slash === -1 ? '' : beforeDigest.slice(0, slash)
  const registryWritten = /[.:]/.test(first) || first === 'localhost'
  const registry =
    registryWritten && first !== 'index.docker.io' ? first : 'docker.io'
  const rest = registryWritten ? beforeDigest.slice(slash + 1) : beforeDigest
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1)
  const path = colon === -1 ? rest : rest.slice(0, colon)
  return {
    registry,
    registryWritten,
    repository:
      registry === 'docker.io' ? path.replace(/^library\//, '') : path,
    ...(colon === -1 ? {} : { tag: rest.slice(colon + 1) }),
    ...(digest === undefined ? {} : { digest }),
  }
}
