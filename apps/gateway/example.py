"""The example of a configuration: `loam gateway --example` prints it, and on a development chain it runs."""

from typing import Final

EXAMPLE: Final = """\
# A gateway of the provider Alice on a development chain (loam --dev). Times are milliseconds.
# Try it:  loam gateway --example > gateway.toml
#          printf //Alice > alice.secret && chmod 600 alice.secret
#          loam gateway --config gateway.toml

nodes = ["ws://127.0.0.1:9944"]   # the first that answers is used, the next when it falls silent
state = "gateway-state"           # folder of the journal: never delete it while calls may be under way
port = 9700                       # /health and /metrics
# host = "127.0.0.1"
# genesis = "0x…"                 # refuse nodes of any other chain
# stall-ms = 15000                # a node without a block for so long is left
# skew-max-ms = 5000              # warn when the own clock and the chain differ by more

[provider]
account = { file = "alice.secret" }   # secret URI of the account; or { env = "NAME" }, { prompt = true }
# scheme = "sr25519"
# oracle-key = "0x…"              # public half of the key for statements: warn when the chain has another

# Real series that come with the program, replayed: one row lasts ten minutes. Prices are US ones at 35 baht
# a dollar, and one building stands for the whole grid.
[sources.market]
kind = "csv"
file = "builtin:price_carbon.csv"
row-ms = 600000
[sources.market.values."price/energy"]
column = "price_usd_per_kwh_x10000"
scale = 0.0035
[sources.market.values."carbon/grid"]
column = "carbon_g_per_kwh_x10"
scale = 0.1

[sources.meter]
kind = "csv"
file = "builtin:load.csv"
row-ms = 600000
[sources.meter.values."load/grid"]
column = "load_total_wh"
scale = 20

[sources.weather]
kind = "csv"
file = "builtin:weather.csv"
row-ms = 600000
[sources.weather.values."weather/temperature"]
column = "temp_c_x100"
scale = 0.01
[sources.weather.values."weather/humidity"]
column = "rh_pct_x100"
scale = 0.01
[sources.weather.values."weather/irradiance"]
column = "ghi_wh_m2_x100"
scale = 0.01

# An exchange that is asked over HTTP and answers
# {"data": {"last": "4.7500", "at": 1733000000, "unit": "THB/kWh"}}
# [sources.exchange]
# kind = "http"
# url = "https://exchange.example/v1/ticker"
# interval-ms = 2000
# timeout-ms = 3000
# requests-per-minute = 60
# # age-max-ms = 60000                # of what has a time of its own; longer for what changes seldom
# auth = { kind = "bearer", secret = { env = "EXCHANGE_TOKEN" } }
# # auth = { kind = "api-key", header = "X-Api-Key", secret = { file = "exchange.key" } }
# [sources.exchange.values."price/energy"]
# at = "/data/last"
# time-at = "/data/at"
# time-format = "unix-s"            # or unix-ms, iso-8601
# unit-at = "/data/unit"
# unit = "THB/kWh"
# # scale = 1                       # the number times scale, plus offset, is in the feed's unit
# # offset = 0

# A broker whose messages are listened to (pip install 'loam[mqtt]'): {"mw": 15420}, or without `at` 15420.
# [sources.grid]
# kind = "mqtt"
# host = "broker.example"           # port = 1883, tls = false
# username = "gateway"
# password = { file = "broker.secret" }
# [sources.grid.values."load/grid"]
# topic = "grid/load"
# at = "/mw"

# What a feed has to be, and how many sources it takes.
[feeds."price/energy"]
unit = "THB/kWh"
sources-min = 1
confirm = 3                         # readings in a row before a lone source's jump is believed

# [fault]                           # for tests only: answers wrongly, or not at all, on purpose
# kind = "lying"                    # or dead, flapping
# period-ms = 60000
"""
