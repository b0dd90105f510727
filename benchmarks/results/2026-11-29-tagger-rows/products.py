import numpy as np, onnx, onnxruntime as ort, time
from onnx import helper as h, TensorProto as T
def make(K,N,blk,bits=8,acc=4):
    nb=K//blk
    rng=np.random.default_rng(0)
    if bits==8: B=rng.integers(0,255,(N,nb,blk),dtype=np.uint8)
    else: B=rng.integers(0,255,(N,nb,blk//2),dtype=np.uint8)
    s=(rng.random((N,nb))*0.01).astype(np.float32)
    ini=[onnx.numpy_helper.from_array(B,'B'),onnx.numpy_helper.from_array(s.reshape(N*nb) if 0 else s,'s')]
    node=h.make_node('MatMulNBits',['A','B','s'],['Y'],domain='com.microsoft',K=K,N=N,bits=bits,block_size=blk,accuracy_level=acc)
    g=h.make_graph([node],'g',[h.make_tensor_value_info('A',T.FLOAT,['m',K])],[h.make_tensor_value_info('Y',T.FLOAT,['m',N])],ini)
    return h.make_model(g,opset_imports=[h.make_opsetid('',17),h.make_opsetid('com.microsoft',1)],ir_version=9).SerializeToString()
def dyn(K,N):
    rng=np.random.default_rng(0)
    W=rng.integers(-64,64,(K,N),dtype=np.int8); s=(rng.random(N)*0.01).astype(np.float32)
    ini=[onnx.numpy_helper.from_array(W,'W'),onnx.numpy_helper.from_array(s,'s')]
    node=h.make_node('DynamicQuantizeMatMul',['A','W','s'],['Y'],domain='com.microsoft')
    g=h.make_graph([node],'g',[h.make_tensor_value_info('A',T.FLOAT,['m',K])],[h.make_tensor_value_info('Y',T.FLOAT,['m',N])],ini)
    return h.make_model(g,opset_imports=[h.make_opsetid('',17),h.make_opsetid('com.microsoft',1)],ir_version=9).SerializeToString()
def t(model,K,ms):
    o=ort.SessionOptions(); o.intra_op_num_threads=1
    try: s=ort.InferenceSession(model,o,providers=['CPUExecutionProvider'])
    except Exception as e: return str(e)[:80]
    r=[]
    for m in ms:
        a=np.random.default_rng(1).standard_normal((m,K)).astype(np.float32)
        best=9
        for _ in range(30):
            b=time.thread_time(); s.run(None,{'A':a}); best=min(best,time.thread_time()-b)
        r.append(round(best*1000,3))
    return r
ms=(1,2,4,8,16,24,48)
for K,N in ((512,2048),(2048,512),(512,34171)):
    print(K,N,ms)
    for blk in (16,32,64,128,256):
        print('  8bit blk',blk,t(make(K,N,blk),K,ms))
    print('  4bit 32',t(make(K,N,32,4),K,ms)); print('  4bit 128',t(make(K,N,128,4),K,ms))
    print('  8bit 32 fp32',t(make(K,N,32,8,0),K,ms))
    print('  dynamic ',t(dyn(K,N),K,ms))
