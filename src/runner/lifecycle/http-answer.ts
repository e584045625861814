import { goQuote } from '../../api/go-quote.ts'

/*
 * What a server answers to a GET, as Go's net/http reads it (ReadResponse, transfer.go and
 * textproto.Reader.ReadMIMEHeader), as far as a probe or a hook wants to know.
 *
 * Not Node's own client: a pod shim looks a few times a minute, and each time has to fetch from
 * the machine's memory whatever it touches for that. Of Node's client that is several times as
 * much.
 */

export interface Answer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

export interface NoAnswer {
  readonly error: string
  /** There was one, whose body broke off. */
  readonly isBody: boolean
}

/** What the kubelet keeps of a body. */
const maxBodyBytes = 10 * 1024

/** A server that sends headers for ever; Go's own limit is 10 MiB. */
const maxHeaderBytes = 256 * 1024

/** The length of a chunk, with its extensions (maxLineLength, net/http/internal/chunked.go). */
const maxChunkLineBytes = 4096

/** Lines whose number is not limited by the length of the body. */
const headerLines = ['status', 'header', 'trailer'] as const
type Line = (typeof headerLines)[number] | 'chunk length' | 'chunk end'

/**
 * Reads one answer out of chunks of any size, and keeps no more of them than it may need. All
 * text in it is Latin-1: a character is a byte.
 */
export class AnswerReader {
  /** Undefined: bytes of the body. */
  #awaited: Line | undefined = 'status'
  #line = ''
  #headerBytes = 0
  /** Its headers are there, and are what they should be. */
  #hasBegun = false
  #isHttp10 = false
  #status = 0
  /** The last header, which the next line may go on with. */
  #header: string | undefined
  #headers = noHeaders()
  #isChunked = false
  /** Bytes to the end of the body, or of its chunk. */
  #left = 0
  #body = ''
  #result: Answer | NoAnswer | undefined

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** The result as soon as nothing more is wanted; what comes after that changes nothing. */
  add(chunk: Buffer): Answer | NoAnswer | undefined {
    const text = chunk.toString('latin1')
    let result = this.#result
    for (let at = 0; at < text.length && result === undefined;)
      if (this.#awaited === undefined) {
        const end = Math.min(at + this.#left, text.length)
        result = this.#takeData(text.slice(at, end))
        at = end
      } else {
        const newline = text.indexOf('\n', at)
        const end = newline === -1 ? text.length : newline + 1
        result = this.#takeLine(this.#awaited, text.slice(at, end))
        at = end
      }
    this.#result = result
    return result
  }

  /** The result when nothing more will come. */
  end(): Answer | NoAnswer {
    if (this.#result !== undefined) return this.#result
    if (this.#hasBegun)
      return this.#left === Infinity ? this.#answer() : brokenBody
    return this.#headerBytes === 0
      ? { error: 'EOF', isBody: false }
      : broken('unexpected EOF')
  }

  #takeData(data: string): Answer | undefined {
    this.#body += data
    this.#left -= data.length
    if (this.#body.length >= maxBodyBytes) return this.#answer()
    if (this.#left > 0) return undefined
    if (!this.#isChunked) return this.#answer()
    this.#awaited = 'chunk end'
    return undefined
  }

  /** A line, or a part of one. */
  #takeLine(line: Line, text: string): Answer | NoAnswer | undefined {
    this.#line += text
    if (headerLines.some(each => each === line)) {
      this.#headerBytes += text.length
      if (this.#headerBytes > maxHeaderBytes) return this.#tooMany()
    } else if (this.#line.length > maxChunkLineBytes) return brokenBody
    if (!text.endsWith('\n')) return undefined
    const whole = this.#line.replace(/\r?\n$/, '')
    this.#line = ''
    return this.#read(line, whole)
  }

  #tooMany(): NoAnswer {
    if (this.#hasBegun) return brokenBody
    const error = `net/http: server response headers exceeded ${maxHeaderBytes} bytes; aborted`
    return { error, isBody: false }
  }

  #read(line: Line, text: string): Answer | NoAnswer | undefined {
    if (line === 'status') return this.#readStatus(text)
    if (line === 'header') return this.#readHeader(text)
    if (line === 'chunk length') return this.#readChunkLength(text)
    if (line === 'trailer') return text === '' ? this.#answer() : undefined
    this.#awaited = 'chunk length'
    return text === '' ? undefined : brokenBody
  }

  #readStatus(line: string): NoAnswer | undefined {
    const [, version, code] = /^([^ ]*) +([^ ]*)/.exec(line) ?? []
    if (version === undefined || code === undefined)
      return malformed('HTTP response', line)
    if (!/^\d{3}$/.test(code)) return malformed('HTTP status code', code)
    if (!/^HTTP\/\d\.\d$/.test(version))
      return malformed('HTTP version', version)
    this.#isHttp10 = version < 'HTTP/1.1'
    this.#status = Number(code)
    this.#awaited = 'header'
    return undefined
  }

  #readHeader(line: string): Answer | NoAnswer | undefined {
    if (/^[ \t]/.test(line)) {
      if (this.#header === undefined)
        return broken(`malformed MIME header initial line: ${shown(line)}`)
      this.#header += ` ${line.trim()}`
      return undefined
    }
    const header = this.#header
    this.#header = line
    if (header !== undefined && !this.#keep(header))
      return broken(`malformed MIME header line: ${shown(header)}`)
    if (line !== '') return undefined
    this.#header = undefined
    return this.#endHeaders()
  }

  /** Whether it is a header at all. */
  #keep(header: string): boolean {
    const [, name, value] =
      // oxlint-disable-next-line no-control-regex -- Go refuses them
      /^([!#$%&'*+\-.^_`|~\w ]+):([^\0-\x08\n-\x1f\x7f]*)$/.exec(header) ?? []
    if (name === undefined || value === undefined) return false
    this.#headers.get(name.toLowerCase())?.push(value.trim())
    return true
  }

  #endHeaders(): Answer | NoAnswer | undefined {
    if (isInterim(this.#status)) {
      this.#headers = noHeaders()
      this.#awaited = 'status'
      return undefined
    }
    const length = this.#bodyLength()
    if (typeof length === 'string') return broken(length)
    this.#hasBegun = true
    this.#isChunked = length === undefined
    this.#left = length ?? 0
    this.#awaited = this.#isChunked ? 'chunk length' : undefined
    return length === 0 ? this.#answer() : undefined
  }

  /** Infinity: to the end of the connection; undefined: its chunks tell; a text: why nobody can. */
  #bodyLength(): number | undefined | string {
    const encodings = this.#isHttp10 ? [] : this.#all('transfer-encoding')
    if (encodings.length > 1)
      return `too many transfer encodings: ${quoted(encodings)}`
    const [encoding] = encodings
    if (encoding !== undefined && encoding.toLowerCase() !== 'chunked')
      return `unsupported transfer encoding: ${goQuote(shown(encoding))}`
    const lengths = this.#all('content-length')
    const [length] = lengths
    if (lengths.some(other => other !== length))
      return `http: message cannot contain multiple Content-Length headers; got ${quoted(lengths)}`
    if (length !== undefined && !/^\d{1,18}$/.test(length))
      return `bad Content-Length ${goQuote(shown(length))}`
    if (withoutBody.has(this.#status)) return 0
    if (encoding !== undefined) return undefined
    return length === undefined ? Infinity : Number(length)
  }

  #readChunkLength(line: string): NoAnswer | undefined {
    const [, digits] = /^([\da-f]{1,16})[ \t]*(?:;|$)/i.exec(line) ?? []
    if (digits === undefined) return brokenBody
    this.#left = Number.parseInt(digits, 16)
    this.#awaited = this.#left === 0 ? 'trailer' : undefined
    return undefined
  }

  #all(name: HeaderName): readonly string[] {
    return this.#headers.get(name) ?? []
  }

  #answer(): Answer {
    const [location] = this.#all('location')
    return {
      status: this.#status,
      location: location === undefined ? undefined : utf8(location),
      body: utf8(this.#body.slice(0, maxBodyBytes)),
    }
  }
}

type HeaderName = 'location' | 'content-length' | 'transfer-encoding'

/** Those that count, by their names in lower case. */
function noHeaders(): Map<string, string[]> {
  const names: readonly HeaderName[] = [
    'location',
    'content-length',
    'transfer-encoding',
  ]
  return new Map(names.map(name => [name, []]))
}

const withoutBody = new Set([101, 204, 304])

/** Another answer follows. */
function isInterim(status: number): boolean {
  return status >= 100 && status < 200 && status !== 101
}

export const brokenBody: NoAnswer = { error: 'unexpected EOF', isBody: true }

function broken(why: string): NoAnswer {
  const error = `net/http: HTTP/1.x transport connection broken: ${why}`
  return { error, isBody: false }
}

function malformed(what: string, text: string): NoAnswer {
  return broken(`malformed ${what} ${goQuote(shown(text))}`)
}

/** What a message has room for. */
function shown(text: string): string {
  return utf8(text.slice(0, 100))
}

/** As Go prints a slice of strings with %q. */
function quoted(texts: readonly string[]): string {
  return `[${texts.map(text => goQuote(shown(text))).join(' ')}]`
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString()
}
