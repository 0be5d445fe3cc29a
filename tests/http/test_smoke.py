from tests.http.running import Market, Running


def test_smoke(running: Running, market: Market, customer, staff) -> None:
    for path in ("/health", "/docs/openapi.json", "/docs", "/api/v1/nothing"):
        r = customer.get(path); print(path, r.status_code, dict(r.headers), r.text[:300])
    r = customer.post("/api/v1/orders", json={"symbol":"aapl","side":"buy","type":"limit","quantity":1,"limit_price":"99.5"})
    print(r.status_code, r.headers, r.text)
    oid = r.json()["order_id"]
    for path in ("/api/v1/wallet/balance", "/api/v1/wallet/transactions", "/api/v1/account/activity", "/api/v1/orders", f"/api/v1/orders/{oid}", "/api/v1/portfolio", "/api/v1/portfolio/positions", "/api/v1/quotes", "/api/v1/account/as-of?log_position=9", "/api/v1/compliance/audit"):
        r = customer.get(path); print(path, r.status_code, dict(r.headers), r.text[:600])
    r = customer.patch(f"/api/v1/orders/{oid}", json={"quantity": "2"}); print(r.status_code, r.text)
    r = customer.delete(f"/api/v1/orders/{oid}"); print(r.status_code, r.text)
    r = customer.delete(f"/api/v1/orders"); print(r.status_code, r.headers, r.text)
    r = customer.post("/api/v1/orders", json={"symbol":"aapl","side":"buy","type":"limit","quantity":1.5,"limit_price":"99.5"}); print(r.status_code, r.text)
    r = customer.post("/api/v1/orders", json={"symbol":"aapl","side":"buy","type":"limit","quantity":"1000000","limit_price":"99.5"}); print(r.status_code, r.text)
    r = customer.post("/api/v1/orders"); print(r.status_code, r.text)
    r = customer.get("/api/v1/orders?limit=0"); print(r.status_code, r.text)
    r = customer.post("/api/v1/orders", content=b"x"*70000); print(r.status_code, r.text)
    for path in ("/api/v1/compliance/audit", "/api/v1/admin/projections", "/api/v1/quotes"):
        r = staff["admin"].get(path); print(path, r.status_code, r.text[:500])
    r = customer.post("/api/v1/auth/logout"); print(r.status_code, r.text, r.headers)
    r = customer.get("/api/v1/quotes"); print(r.status_code, r.text, r.headers)
    assert 0
