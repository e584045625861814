import {
  findResource,
  type Resource,
  resourcesIn,
  resourceWords,
} from '../../client/api-client.ts'
import { nearest } from '../../util/edit-distance.ts'
import { Failure } from '../../util/failure.ts'

/** What is asked for: all of a resource, or some by name. */
export interface Wanted {
  readonly resource: Resource
  /** Empty: all. */
  readonly names: readonly string[]
}

/**
 * `pods`, `pods web db`, `pods,cm`, `all`, `pod/web cm/app`, as kubectl's arguments. Throws a
 * usage Failure.
 */
export function whatToGet(positionals: readonly string[]): readonly Wanted[] {
  const [first, ...names] = positionals
  if (first === undefined)
    throw new Failure('usage', 'You must specify the type of resource to get', {
      fix: `one of: ${resourceWords().join(', ')}`,
    })
  if (!first.includes('/')) {
    const wanted = first
      .split(',')
      .filter(word => word !== '')
      .flatMap(resourcesOf)
    if (wanted.length > 1 && names.length > 0)
      throw new Failure(
        'usage',
        'there is no need to name objects of several types: TYPE/NAME',
      )
    return wanted.map(resource => ({
      resource,
      // A volume may be named as it is shown: POD/VOLUME.
      names: names.map(name => name.split('/').join('.')),
    }))
  }
  return positionals.map(argument => {
    const [word = '', name = '', ...more] = argument.split('/')
    if (name === '' || (more.length > 0 && more[0] === ''))
      throw new Failure(
        'usage',
        `arguments in resource/name form must have a single resource and name: ${argument}`,
      )
    return {
      resource: resourceOf(word),
      names: [[name, ...more].join('.')],
    }
  })
}

/** Throws a usage Failure where names stand beside what selects, such as -l. */
export function refuseNamesBeside(
  selects: boolean,
  wanted: readonly Wanted[],
): void {
  if (selects && wanted.some(({ names }) => names.length > 0))
    throw new Failure(
      'usage',
      'name cannot be provided when a selector is specified',
    )
}

/** Throws a usage Failure where nothing is named; `fix` is what could be typed. */
export function refuseNothingNamed(
  wanted: readonly Wanted[],
  fix: string,
): void {
  if (wanted.some(({ names }) => names.length === 0))
    throw new Failure(
      'usage',
      'resource(s) were provided, but no name was specified',
      { fix },
    )
}

function resourcesOf(word: string): readonly Resource[] {
  const ofCategory = resourcesIn(word)
  return ofCategory.length > 0 ? ofCategory : [resourceOf(word)]
}

/** By one of its names. Throws a usage Failure. */
export function resourceOf(word: string): Resource {
  const resource = findResource(word)
  if (resource !== undefined) return resource
  const meant = nearest(word, resourceWords())
  throw new Failure('usage', `podfs has no resource type "${word}"`, {
    fix:
      meant === undefined
        ? `there are: ${resourceWords().join(', ')}`
        : `did you mean ${meant}?`,
  })
}

/** `pod`, or with its group `volume.podfs.io`: what -o name prints before the slash. */
export function kindWord({ singular, group }: Resource): string {
  return group === '' ? singular : `${singular}.${group}`
}
