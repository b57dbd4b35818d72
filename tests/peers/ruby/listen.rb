# Listens as Ruby scripts for PyPubSub do: what read_body gives is put together until it ends with the end of a line, and
# parsed as one object. Two lines in one chunk, or a NUL behind one, end the process with an exception.
#
# ruby listen.rb URL [--nul]: with --nul a line ends with a NUL, as for the old clients.
# Out: {"state": "ready"} at the first ping, and for each event {"received": PATH, "data": {n, start, bytes}}, with the
# first characters of its `text`, and the length of that in UTF-8. Ends when standard input is closed.

require 'json'
require 'net/http'

$stdout.sync = true
url, nul = ARGV
line_end = nul == '--nul' ? "\0" : "\n"

def emit(line)
  puts JSON.generate(line)
end

Thread.new do
  $stdin.read
  exit!(0)
end

ready = false
hear = lambda do |event|
  if event.key?('stillalive')
    emit({ state: 'ready' }) unless ready
    ready = true
  else
    text = event.fetch('text', '')
    emit({ received: event['pubsub_path'], data: { n: event['n'], start: text[0, 3], bytes: text.bytesize } })
  end
end

uri = URI.parse(url)
Net::HTTP.start(uri.host, uri.port) do |http|
  request = Net::HTTP::Get.new(uri.request_uri)
  request['User-Agent'] = 'svnwcsub/1.0' if nul == '--nul'
  http.request(request) do |response|
    body = +''
    response.read_body do |chunk|
      body << chunk
      next unless chunk.end_with?(line_end)

      line = body
      body = +''
      hear.call(JSON.parse(nul == '--nul' ? line.chomp("\0") : line))
    end
  end
end
emit({ state: 'ended' })
