import time
def test_try(house):
    t=time.time()
    r = house.saved(); print(time.time()-t)
    d = house.document(); print({k:v for k,v in d.items() if k not in("changes","skips")}, len(d["changes"]))
    t=time.time()
    r = house.apply(); print(r, time.time()-t)
    t=time.time()
    print(house.process("status")); print(time.time()-t)
    print(house.settle())
    print(house.apply())
    assert 0
