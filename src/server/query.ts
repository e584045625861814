import { ApiError, badRequest } from './api-error.ts'

/** The parameters of a request. Go takes 1, t, true, 0, f and false for a boolean. */
export class Query {
  readonly #parameters: URLSearchParams

  constructor(parameters: URLSearchParams) {
    this.#parameters = parameters
  }

  text(name: string): string {
    return this.#parameters.get(name) ?? ''
  }

  all(name: string): readonly string[] {
    return this.#parameters.getAll(name)
  }

  flag(name: string): boolean {
    return /^(1|t|true)$/i.test(this.text(name))
  }

  /** Undefined when any will do; throws an ApiError for what is none. */
  get resourceVersion(): number | undefined {
    const given = this.text('resourceVersion')
    if (given === '' || given === '0') return undefined
    if (/^\d+$/.test(given)) return Number(given)
    throw badRequest(
      `invalid resource version ${JSON.stringify(given)}: strconv.ParseUint: parsing ${JSON.stringify(given)}: invalid syntax`,
    )
  }

  /** Undefined when it is not given; throws an ApiError for what is no whole number. */
  integer(name: string): number | undefined {
    const given = this.#parameters.get(name)
    if (given === null || given === '') return undefined
    if (/^-?\d+$/.test(given)) return Number(given)
    throw new ApiError(
      400,
      'BadRequest',
      `strconv.ParseInt: parsing ${JSON.stringify(given)}: invalid syntax`,
    )
  }
}
