"""Tracebacks of five languages, each with the parts that change from one error to the next."""

from __future__ import annotations

PYTHON = """Traceback (most recent call last):
  File "/srv/{release}/shop/billing/views.py", line {line}, in charge
    gateway.pay(order)
    ~~~~~~~~~~~^^^^^^^
  File "/srv/{release}/.venv/lib/python3.12/site-packages/requests/api.py", line 59, in request
    return session.request(method=method, url=url, **kwargs)
  File "/srv/{release}/shop/billing/gateway.py", line {line}, in pay
    raise PaymentRefused(order)
shop.billing.gateway.PaymentRefused: order {value} was refused"""

CHAINED = """Traceback (most recent call last):
  File "/app/cache.py", line 3, in get
    return store[key]
KeyError: {cause}

During handling of the above exception, another exception occurred:

"""

GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/app/jobs/run.py", line {line}, in main
  |     async with asyncio.TaskGroup() as group:
  |   File "/usr/lib/python3.12/asyncio/taskgroups.py", line 145, in __aexit__
  |     raise me from None
  | ExceptionGroup: unhandled errors in a TaskGroup ({count} sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/jobs/fetch.py", line {line}, in fetch
    |     raise {kind}(url)
    | {kind}: {value}
{more}    +------------------------------------
"""
ONE_MORE = """    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/app/jobs/fetch.py", line 9, in fetch
    |     raise TimeoutError(url)
    | TimeoutError: another
"""

JAVA = """jakarta.servlet.ServletException: Request {value} failed
\tat org.springframework.web.servlet.FrameworkServlet.doGet(FrameworkServlet.java:903)
\tat com.acme.web.OrderController.pay(OrderController.java:{line})
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: com.acme.billing.PaymentRefusedException: Order {value} was refused
\tat com.acme.billing.Gateway.lambda$pay${line}(Gateway.java:{line})
\tat app//com.acme.billing.Gateway$$Lambda$14/0x0000000800c03000.accept(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat com.acme.billing.Gateway.pay(Gateway.java:{line})
\t... {line} more
"""

JAVASCRIPT = """TypeError: Cannot read properties of undefined (reading '{value}')
    at Gateway.pay (/srv/{release}/src/billing/gateway.js:{line}:15)
    at async Object.<anonymous> (file:///srv/{release}/src/billing/orders.mjs:{line}:3)
    at Layer.handle [as handle_request] (/srv/{release}/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)"""

FIREFOX = """pay@https://shop.example/assets/app.{hash}.js:{line}:15
checkout@https://shop.example/assets/app.{hash}.js:{line}:3
@https://shop.example/assets/app.{hash}.js:{line}:99"""

GO = """panic: runtime error: index out of range [{line}] with length 3

goroutine {line} [running]:
panic({{0x4a5e20?, 0xc00001a0f0?}})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
example.com/shop/billing.(*Gateway).Pay(0xc000{line}, 0x3)
\t/srv/{release}/billing/gateway.go:{line} +0x1d
main.main()
\t/srv/{release}/cmd/main.go:{line} +0x2a
created by example.com/shop.Run in goroutine 1
\t/srv/{release}/run.go:7 +0x2a

goroutine 7 [select]:
example.com/shop/other.Wait(0xc000)
\t/srv/{release}/other/wait.go:1 +0x1d
exit status 2"""

DOTNET = """System.InvalidOperationException: Request {value} failed
 ---> Acme.Billing.PaymentRefusedException: Order {value} was refused
   at Acme.Billing.Gateway.<PayAsync>d__{line}.MoveNext() in C:\\src\\{release}\\Billing\\Gateway.cs:line {line}
--- End of stack trace from previous location ---
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccess(Task task)
   at Acme.Orders.OrderService.Pay(Int32 id, List`1 items) in /src/{release}/OrderService.cs:line {line}
   --- End of inner exception stack trace ---
   at Acme.Web.OrdersController.Post(Int32 id) in /src/{release}/OrdersController.cs:line {line}"""

SAMPLES = {
    "python": PYTHON,
    "java": JAVA,
    "javascript": JAVASCRIPT,
    "firefox": FIREFOX,
    "go": GO,
    "dotnet": DOTNET,
}
CHANGES = [
    {"release": "2026-11-01", "line": 17, "value": "1001", "hash": "3f2a9c1b"},
    {"release": "current/app", "line": 234, "value": "of Zoë: 7 €", "hash": "BxK3d9aZ"},
]
